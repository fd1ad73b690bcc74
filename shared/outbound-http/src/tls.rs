//! TLS settings and the proof of TLS failures.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::error::TlsFailure;
use crate::policy::PolicyError;

/// TLS 1.2 and 1.3 by ring. The roots are compiled in: an image made `FROM scratch` has none.
pub(crate) fn client_config(extra_ca_pem: Option<&str>) -> Result<ClientConfig, PolicyError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(pem) = extra_ca_pem {
        add_own_authorities(&mut roots, pem)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| PolicyError::Build {
            detail: error.to_string(),
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add_own_authorities(roots: &mut RootCertStore, pem: &str) -> Result<(), PolicyError> {
    let unusable = |detail: String| PolicyError::ExtraCa { detail };
    let mut found = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
        found += 1;
    }
    if found == 0 {
        Err(unusable("it holds no CERTIFICATE block".to_owned()))
    } else {
        Ok(())
    }
}

/// The cause as far as the TLS error proves it.
pub(crate) fn failure_of(error: &rustls::Error) -> TlsFailure {
    use rustls::{AlertDescription, Error};
    match error {
        Error::InvalidCertificate(certificate) => certificate_failure(certificate),
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
        ) => TlsFailure::NoCommonProtocol,
        Error::InvalidMessage(_) => TlsFailure::NotTls,
        _ => TlsFailure::Other,
    }
}

fn certificate_failure(error: &CertificateError) -> TlsFailure {
    match error {
        CertificateError::UnknownIssuer => TlsFailure::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFailure::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFailure::NameMismatch
        }
        CertificateError::Revoked => TlsFailure::Revoked,
        _ => TlsFailure::Other,
    }
}
