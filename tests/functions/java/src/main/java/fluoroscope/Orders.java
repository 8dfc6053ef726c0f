package fluoroscope;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.xray.AWSXRay;
import com.amazonaws.xray.entities.Subsegment;
import java.util.List;
import java.util.Map;

/**
 * A function instrumented with the X-Ray SDK for Java.
 *
 * <p>The event says what to do: with {@code raise} the handler throws.
 */
public final class Orders implements RequestHandler<Map<String, Object>, String> {
  @Override
  public String handleRequest(Map<String, Object> event, Context context) {
    try (Subsegment order = AWSXRay.beginSubsegment("take order")) {
      try {
        order.putAnnotation("order", 7);
        order.putAnnotation("customer", "büro");
        order.putMetadata("shop", "basket", Map.of("items", List.of("tea", "cup")));
        AWSXRay.createSubsegment("price", () -> {});
        if (Boolean.TRUE.equals(event.get("raise"))) {
          AWSXRay.createSubsegment("charge", Orders::charge);
        }
      } catch (RuntimeException error) {
        order.addException(error);
        throw error;
      }
    }
    return "taken";
  }

  private static void charge() {
    throw new IllegalStateException("card refused");
  }
}
