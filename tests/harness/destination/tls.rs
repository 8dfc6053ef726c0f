//! Certificates: good ones, and those that nobody should accept.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;

use crate::resolver::NAME;

/// Letters of a line in a PEM file.
const PEM_LINE: usize = 64;

/// A certificate to present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// Vouched for, for this address and the name that [`NAME`] is, for now.
    Good,
    /// For another name.
    OfAnotherName,
    /// Its time is over.
    Expired,
    /// Vouched for by itself alone.
    OfNobody,
}

/// Who vouches for certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut params = params(&["the tests' authority"]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key();
        let own = params.self_signed(&key).expect("the parameters are complete");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fluoroscope-authority-{}-{count}.pem", std::process::id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, pem(own.der())).expect("the temporary directory can be written");
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What a server needs to present a certificate. Sessions begin anew with each.
    pub(super) fn certified(&self, certificate: Certificate) -> Arc<ServerConfig> {
        let names: &[&str] = match certificate {
            Certificate::OfAnotherName => &["192.0.2.1"],
            Certificate::Good | Certificate::Expired | Certificate::OfNobody => &["127.0.0.1", NAME],
        };
        let mut params = params(names);
        if certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = key();
        let signed = match certificate {
            Certificate::OfNobody => params.self_signed(&key),
            _ => params.signed_by(&key, &self.issuer),
        };
        let chain = vec![signed.expect("the parameters are complete").der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("the key was just made");
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows the default versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the certificate is the key's");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // The directory is swept by the system in any case.
        let _ = std::fs::remove_file(&self.file);
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names and addresses")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("ring makes keys")
}

fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in BASE64.encode(der).as_bytes().chunks(PEM_LINE) {
        text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
