//! Certificate authorities of the operator's own, trusted beside those compiled in.
//!
//! The file is read once, at start, and only if one is named: a private authority between the function and
//! X-Ray (a proxy that looks into TLS, an X-Ray of one's own) is rare.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::limits::AUTHORITIES_MAX_BYTES;

/// Why a file gives fewer authorities than it should. Those it gives are trusted all the same.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// The file cannot be read.
    #[error("AWS_CA_BUNDLE: could not read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It holds something else as well, or nothing.
    #[error(
        "AWS_CA_BUNDLE: {} has {readable} certificates that can be read and {others} that cannot, expected \
         certificates in PEM",
        path.display()
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// Certificates that are trusted.
        readable: usize,
        /// Certificates that are not.
        others: usize,
    },
}

/// Reads the certificates of a PEM file, as far as they can be read.
pub fn read(path: &Path) -> (RootCertStore, Option<AuthoritiesError>) {
    let path = path.to_owned();
    let text = match read_bounded(&path) {
        Ok(text) => text,
        Err(source) => {
            return (
                RootCertStore::empty(),
                Some(AuthoritiesError::File { path, source }),
            );
        }
    };
    let (store, others) = decode(&text);
    let readable = store.len();
    let is_whole = others == 0 && readable > 0;
    let error = (!is_whole).then_some(AuthoritiesError::Content {
        path,
        readable,
        others,
    });
    (store, error)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = std::fs::File::open(path)?;
    let read_bytes = file.take(AUTHORITIES_MAX_BYTES + 1).read_to_end(&mut text)?;
    if u64::try_from(read_bytes).is_ok_and(|bytes| bytes > AUTHORITIES_MAX_BYTES) {
        return Err(io::Error::other("it is longer than a megabyte"));
    }
    Ok(text)
}

/// The certificates that can be read, and the number of those that cannot.
fn decode(text: &[u8]) -> (RootCertStore, usize) {
    let (mut store, mut others) = (RootCertStore::empty(), 0);
    for section in CertificateDer::pem_slice_iter(text) {
        let is_added = section.is_ok_and(|certificate| store.add(certificate).is_ok());
        others += usize::from(!is_added);
    }
    (store, others)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::outbound::error::one_line;

    /// A certificate in PEM.
    fn certificate() -> String {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let text = STANDARD.encode(certified.cert.der());
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn every_certificate_of_a_file_is_trusted_whatever_stands_between_them() {
        let text = format!("# ours\n{}\n\ntheirs\n{}", certificate(), certificate());
        let (store, others) = decode(text.as_bytes());
        assert_eq!((store.len(), others), (2, 0));
    }

    #[test]
    fn a_damaged_certificate_costs_itself() {
        let damaged = certificate().replace("MII", "AAA");
        let (store, others) = decode(format!("{damaged}{}", certificate()).as_bytes());
        assert_eq!((store.len(), others), (1, 1));
    }

    #[test]
    fn a_file_that_gives_nothing_is_named_with_what_it_should_be() {
        let folder = std::env::temp_dir();
        let (store, error) = read(&folder.join("fluoroscope-no-such-file.pem"));
        let line = one_line(&error.unwrap());
        assert!(line.starts_with("AWS_CA_BUNDLE: could not read "), "{line}");
        assert!(
            line.contains("fluoroscope-no-such-file.pem: No such file"),
            "{line}"
        );
        assert!(store.is_empty());

        let path = folder.join(format!("fluoroscope-authorities-{}.pem", std::process::id()));
        std::fs::write(&path, "no certificate").unwrap();
        let (store, error) = read(&path);
        let line = one_line(&error.unwrap());
        assert!(
            line.ends_with(
                "has 0 certificates that can be read and 0 that cannot, expected certificates in PEM"
            ),
            "{line}"
        );
        assert!(store.is_empty());

        std::fs::write(&path, certificate()).unwrap();
        let (store, error) = read(&path);
        assert_eq!((store.len(), error.is_none()), (1, true));

        let limit = usize::try_from(AUTHORITIES_MAX_BYTES).unwrap();
        for (bytes, is_read) in [(limit, true), (limit + 1, false)] {
            let certificate = certificate();
            let padding = " ".repeat(bytes - certificate.len());
            std::fs::write(&path, certificate + &padding).unwrap();
            assert_eq!(read(&path).0.len(), usize::from(is_read), "{bytes}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(
            before in proptest::collection::vec(any::<u8>(), 0..60),
            body in "([-A-Za-z0-9+/=\n]|\\PC){0,80}",
        ) {
            let mut text = before;
            text.extend(format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").bytes());
            let (store, _) = decode(&text);
            prop_assert!(store.is_empty());
        }
    }
}
