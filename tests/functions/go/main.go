// A function instrumented with the X-Ray SDK for Go, run by aws-lambda-go.
//
// The event says what to do: with `raise` the handler returns an error.
package main

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
)

type event struct {
	Raise bool `json:"raise"`
}

func handle(ctx context.Context, e event) (string, error) {
	err := xray.Capture(ctx, "take order", func(ctx context.Context) error {
		if err := annotate(ctx); err != nil {
			return err
		}
		price := func(context.Context) error { return nil }
		if err := xray.Capture(ctx, "price", price); err != nil {
			return err
		}
		if !e.Raise {
			return nil
		}
		return xray.Capture(ctx, "charge", func(context.Context) error {
			return errors.New("card refused")
		})
	})
	return "taken", err
}

func annotate(ctx context.Context) error {
	if err := xray.AddAnnotation(ctx, "order", 7); err != nil {
		return err
	}
	if err := xray.AddAnnotation(ctx, "customer", "büro"); err != nil {
		return err
	}
	return xray.AddMetadataToNamespace(ctx, "shop", "basket", map[string][]string{"items": {"tea", "cup"}})
}

func main() {
	lambda.Start(handle)
}
