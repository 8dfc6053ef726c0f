//! Who takes part in an environment and what each may do next.
//!
//! Pure. States are those of Lambda's own supervisor: an extension is `Ready` while it is blocked in `next` and
//! `Running` once an event was handed out.

use std::sync::Arc;

use serde_json::Value;

use crate::event::{ErrorPhase, Identifier, Refusal, Registered, Registration};
use crate::limits::EXTENSIONS_MAX;

/// Where an extension stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Registered,
    Ready,
    Running,
    /// Reported an error; it has to end.
    Failed,
    Exited,
}

/// A registered extension.
#[derive(Debug, Clone)]
pub(crate) struct Extension {
    pub(crate) name: Arc<str>,
    pub(crate) identifier: String,
    pub(crate) wants_invoke: bool,
    pub(crate) wants_shutdown: bool,
    pub(crate) standing: Standing,
    /// Whether SHUTDOWN was handed out.
    pub(crate) told_to_stop: bool,
}

impl Extension {
    pub(crate) fn events(&self) -> Vec<&'static str> {
        let events = [(self.wants_invoke, "INVOKE"), (self.wants_shutdown, "SHUTDOWN")];
        events
            .into_iter()
            .filter_map(|(wanted, name)| wanted.then_some(name))
            .collect()
    }
}

/// What the environment allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Extensions may register and subscribe.
    Init,
    /// The runtime has asked for its first event: no further registration.
    Registered,
    /// Init is over: no further subscription.
    Open,
    /// SHUTDOWN has begun.
    Stopping,
}

/// The extensions of one generation of processes.
#[derive(Debug)]
pub(crate) struct Parties {
    external: Vec<Arc<str>>,
    extensions: Vec<Extension>,
    pub(crate) stage: Stage,
    is_managed: bool,
}

impl Parties {
    /// Nobody has registered yet; `external` are the names of the files that were started.
    pub(crate) fn new(external: Vec<Arc<str>>, is_managed: bool) -> Self {
        Self {
            external,
            extensions: Vec::new(),
            stage: Stage::Init,
            is_managed,
        }
    }

    pub(crate) fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Takes a registration in; `identifier` is the id it will have.
    pub(crate) fn register(
        &mut self,
        request: &Registration,
        identifier: String,
    ) -> Result<Registered, Refusal> {
        let forbidden = |error_type, message: &str| Refusal::forbidden(error_type, message);
        let name = request.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| forbidden("Extension.InvalidExtensionName", "empty extension name"))?;
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            return Err(forbidden("InvalidRequestFormat", "the registration is not JSON"));
        };
        if body.get("configurationKeys").is_some() {
            return Err(forbidden(
                "InvalidRequestFormat",
                "configurationKeys is not supported",
            ));
        }
        if self.stage != Stage::Init {
            return Err(forbidden(
                "Extension.RegistrationClosed",
                "extension registration closed already",
            ));
        }
        if self.extensions.iter().any(|known| *known.name == *name) {
            return Err(forbidden(
                "Extension.AlreadyRegistered",
                &format!("{name} is registered already"),
            ));
        }
        let is_external = self.external.iter().any(|known| **known == *name);
        let (wants_invoke, wants_shutdown) = self.events(&body, is_external)?;
        if self.extensions.len() >= EXTENSIONS_MAX {
            return Err(forbidden(
                "Extension.TooManyExtensions",
                &format!("more than {EXTENSIONS_MAX}"),
            ));
        }
        let features = request.features.as_deref().unwrap_or_default();
        let wants_account_id = features.split(',').any(|feature| feature.trim() == "accountId");
        self.extensions.push(Extension {
            name: name.into(),
            identifier: identifier.clone(),
            wants_invoke,
            wants_shutdown,
            standing: Standing::Registered,
            told_to_stop: false,
        });
        Ok(Registered {
            identifier,
            wants_account_id,
        })
    }

    fn events(&self, body: &Value, is_external: bool) -> Result<(bool, bool), Refusal> {
        let (mut invoke, mut shutdown) = (false, false);
        let listed = body
            .get("events")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for event in listed {
            match event.as_str() {
                Some("INVOKE") if !self.is_managed => invoke = true,
                Some("SHUTDOWN") if is_external => shutdown = true,
                _ => {
                    let message = format!("ShutdownEvent or InvokeEvent not allowed here: {event}");
                    return Err(Refusal::forbidden("Extension.InvalidEventType", message));
                }
            }
        }
        Ok((invoke, shutdown))
    }

    /// The extension that makes a call.
    pub(crate) fn identify(&mut self, identifier: &Identifier) -> Result<&mut Extension, Refusal> {
        let forbidden = |error_type, message: &str| Refusal::forbidden(error_type, message);
        let text = identifier.0.as_deref().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| {
            forbidden(
                "Extension.MissingExtensionIdentifier",
                "missing Lambda-Extension-Identifier header",
            )
        })?;
        if uuid::Uuid::parse_str(text).is_err() {
            return Err(forbidden(
                "Extension.InvalidExtensionIdentifier",
                &format!("not a UUID: {text:.64}"),
            ));
        }
        let known = self
            .extensions
            .iter_mut()
            .find(|extension| extension.identifier == text);
        known.ok_or_else(|| {
            forbidden(
                "Extension.UnknownExtensionIdentifier",
                &format!("unknown identifier {text}"),
            )
        })
    }

    /// An extension asks for its next event. `is_waiting` says whether an earlier call of its is still open.
    pub(crate) fn next(
        &mut self,
        identifier: &Identifier,
        is_waiting: bool,
    ) -> Result<&mut Extension, Refusal> {
        let extension = self.identify(identifier)?;
        let again = extension.standing == Standing::Ready && !is_waiting;
        if !(again || matches!(extension.standing, Standing::Registered | Standing::Running)) {
            let message = format!(
                "{} may not ask for an event: {:?}",
                extension.name, extension.standing
            );
            return Err(Refusal::forbidden("Extension.InvalidExtensionState", message));
        }
        extension.standing = Standing::Ready;
        Ok(extension)
    }

    /// An extension reports an error.
    pub(crate) fn fail(
        &mut self,
        identifier: &Identifier,
        phase: ErrorPhase,
        error_type: Option<&str>,
    ) -> Result<Arc<str>, Refusal> {
        let extension = self.identify(identifier)?;
        if error_type.is_none_or(str::is_empty) {
            let message = "missing Lambda-Extension-Function-Error-Type header";
            return Err(Refusal::forbidden("Extension.MissingHeader", message));
        }
        let allowed = match phase {
            ErrorPhase::Init => extension.standing == Standing::Registered,
            ErrorPhase::Exit => !matches!(extension.standing, Standing::Failed | Standing::Exited),
        };
        if !allowed {
            let message = format!(
                "{} may not report an error: {:?}",
                extension.name, extension.standing
            );
            return Err(Refusal::forbidden("Extension.InvalidExtensionState", message));
        }
        extension.standing = Standing::Failed;
        Ok(Arc::clone(&extension.name))
    }

    /// A process ended.
    pub(crate) fn exited(&mut self, name: &str) {
        if let Some(extension) = self
            .extensions
            .iter_mut()
            .find(|extension| *extension.name == *name)
        {
            extension.standing = Standing::Exited;
        }
    }

    /// Whether every extension that was started has registered.
    pub(crate) fn all_registered(&self) -> bool {
        let known = |name: &Arc<str>| self.extensions.iter().any(|extension| extension.name == *name);
        self.external.iter().all(known)
    }

    /// Whether every registered extension is blocked in `next`.
    pub(crate) fn all_ready(&self) -> bool {
        self.extensions
            .iter()
            .all(|extension| extension.standing == Standing::Ready)
    }

    /// Whether every extension that gets INVOKE is blocked in `next`.
    pub(crate) fn invoked_are_ready(&self) -> bool {
        let mut invoked = self.extensions.iter().filter(|extension| extension.wants_invoke);
        invoked.all(|extension| extension.standing == Standing::Ready)
    }

    /// The extensions that get INVOKE, now handed out.
    pub(crate) fn release_invoke(&mut self) -> Vec<(Arc<str>, String)> {
        let invoked = self
            .extensions
            .iter_mut()
            .filter(|extension| extension.wants_invoke);
        let mut released = Vec::new();
        for extension in invoked {
            extension.standing = Standing::Running;
            released.push((Arc::clone(&extension.name), extension.identifier.clone()));
        }
        released
    }

    /// The extensions that are blocked in `next` and have not had SHUTDOWN yet, now handed out.
    pub(crate) fn release_shutdown(&mut self) -> Vec<(Arc<str>, String)> {
        let mut released = Vec::new();
        for extension in &mut self.extensions {
            let is_due = extension.wants_shutdown && !extension.told_to_stop;
            if is_due && extension.standing == Standing::Ready {
                extension.told_to_stop = true;
                extension.standing = Standing::Running;
                released.push((Arc::clone(&extension.name), extension.identifier.clone()));
            }
        }
        released
    }

    /// Whether this process is an extension that gets SHUTDOWN.
    pub(crate) fn gets_shutdown(&self, name: &str) -> bool {
        self.extensions
            .iter()
            .any(|extension| *extension.name == *name && extension.wants_shutdown)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_arbitrary_registration_never_panics(
            name in ".{0,20}",
            body in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let request = Registration { name: Some(name), features: None, body: body.into() };
            let _ = parties(false).register(&request, id());
        }

        #[test]
        fn an_arbitrary_identifier_never_panics(text in ".{0,80}") {
            let _ = parties(false).identify(&Identifier(Some(text)));
        }
    }

    fn parties(is_managed: bool) -> Parties {
        Parties::new(vec!["ext".into(), "other".into()], is_managed)
    }

    fn registration(name: &str, body: &str) -> Registration {
        Registration {
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            features: Some("accountId, body".to_owned()),
            body: body.to_owned().into(),
        }
    }

    fn id() -> String {
        uuid::Uuid::new_v4().to_string()
    }

    #[track_caller]
    fn check(parties: &mut Parties, name: &str, body: &str, expected: &str) {
        let outcome = parties.register(&registration(name, body), id());
        assert_eq!(
            outcome.err().map_or("ok", |refusal| refusal.error_type),
            expected,
            "{name} {body}"
        );
    }

    #[test]
    fn registrations_are_refused_as_lambda_refuses_them() {
        let both = r#"{"events":["INVOKE","SHUTDOWN"]}"#;
        let mut parties = parties(false);
        check(&mut parties, "", both, "Extension.InvalidExtensionName");
        check(&mut parties, "ext", "{", "InvalidRequestFormat");
        check(
            &mut parties,
            "ext",
            r#"{"configurationKeys":[]}"#,
            "InvalidRequestFormat",
        );
        check(
            &mut parties,
            "ext",
            r#"{"events":["RESTORE"]}"#,
            "Extension.InvalidEventType",
        );
        check(&mut parties, "internal", both, "Extension.InvalidEventType");
        check(&mut parties, "ext", both, "ok");
        check(&mut parties, "ext", both, "Extension.AlreadyRegistered");
        assert!(!parties.all_registered());
        check(&mut parties, "other", "{}", "ok");
        assert!(parties.all_registered());
        for number in 0..8 {
            check(
                &mut parties,
                &format!("internal{number}"),
                r#"{"events":["INVOKE"]}"#,
                "ok",
            );
        }
        check(&mut parties, "eleventh", "{}", "Extension.TooManyExtensions");
        parties.stage = Stage::Registered;
        check(&mut parties, "late", "{}", "Extension.RegistrationClosed");
    }

    #[test]
    fn a_managed_instance_takes_shutdown_only() {
        let mut parties = parties(true);
        check(
            &mut parties,
            "ext",
            r#"{"events":["INVOKE","SHUTDOWN"]}"#,
            "Extension.InvalidEventType",
        );
        check(&mut parties, "ext", r#"{"events":["SHUTDOWN"]}"#, "ok");
    }

    #[test]
    fn the_account_is_told_only_to_those_who_ask() {
        let mut parties = parties(false);
        assert!(
            parties
                .register(&registration("ext", "{}"), id())
                .unwrap()
                .wants_account_id
        );
        let plain = Registration {
            features: None,
            ..registration("other", "{}")
        };
        assert!(!parties.register(&plain, id()).unwrap().wants_account_id);
    }

    #[test]
    fn next_is_allowed_once_at_a_time_and_never_after_an_error() {
        let mut parties = parties(false);
        let identifier = id();
        parties
            .register(
                &registration("ext", r#"{"events":["INVOKE"]}"#),
                identifier.clone(),
            )
            .unwrap();
        let ext = Identifier(Some(identifier));
        let refused =
            |outcome: Result<&mut Extension, Refusal>| outcome.err().map(|refusal| refusal.error_type);
        assert_eq!(refused(parties.next(&ext, false)), None);
        assert_eq!(
            refused(parties.next(&ext, true)),
            Some("Extension.InvalidExtensionState")
        );
        assert_eq!(
            refused(parties.next(&ext, false)),
            None,
            "a lost connection may be replaced"
        );
        assert!(parties.invoked_are_ready());
        assert_eq!(parties.release_invoke().len(), 1);
        assert!(!parties.invoked_are_ready());
        let missing = parties.fail(&ext, ErrorPhase::Exit, None).unwrap_err();
        assert_eq!(missing.error_type, "Extension.MissingHeader");
        assert!(
            parties.fail(&ext, ErrorPhase::Init, Some("Extension.X")).is_err(),
            "init is over"
        );
        assert!(parties.fail(&ext, ErrorPhase::Exit, Some("Extension.X")).is_ok());
        assert_eq!(
            refused(parties.next(&ext, false)),
            Some("Extension.InvalidExtensionState")
        );
    }

    #[test]
    fn identifiers_are_checked() {
        let mut parties = parties(false);
        let mut refused = |text: Option<&str>| {
            parties
                .identify(&Identifier(text.map(str::to_owned)))
                .err()
                .map(|refusal| refusal.error_type)
        };
        assert_eq!(refused(None), Some("Extension.MissingExtensionIdentifier"));
        assert_eq!(refused(Some("x")), Some("Extension.InvalidExtensionIdentifier"));
        assert_eq!(refused(Some(&id())), Some("Extension.UnknownExtensionIdentifier"));
    }

    #[test]
    fn shutdown_goes_once_to_each_that_waits_for_it() {
        let mut parties = parties(false);
        let identifier = id();
        parties
            .register(
                &registration("ext", r#"{"events":["SHUTDOWN"]}"#),
                identifier.clone(),
            )
            .unwrap();
        assert!(parties.release_shutdown().is_empty(), "not blocked in next yet");
        parties.next(&Identifier(Some(identifier)), false).unwrap();
        assert_eq!(parties.release_shutdown().len(), 1);
        assert!(parties.release_shutdown().is_empty());
    }
}
