//! TLS for QUIC: version 1.3 only, one protocol name, bare public keys, no tickets, nothing before the handshake ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use farwarp_protocol::admission::ALPN;
use farwarp_protocol::ticket::KeyPin;
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};

use crate::keys::{KeyPair, pin_of};

/// For a client that accepts one key; the flag tells whether another one was shown.
pub fn client(pin: KeyPin) -> (Arc<QuicClientConfig>, Arc<AtomicBool>) {
    let other_key = Arc::new(AtomicBool::new(false));
    let verifier = Arc::new(OneKey { pin, other_key: other_key.clone() });
    let mut config = rustls::ClientConfig::builder_with_provider(ciphers())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .dangerous() // Its word for any verifier but the web's; ours is stricter.
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    let config = QuicClientConfig::try_from(config).expect("AES-128-GCM is among the ciphers, as QUIC needs");
    (Arc::new(config), other_key)
}

/// For a gate or a worker that shows this key.
pub fn server(keys: &KeyPair) -> Arc<QuicServerConfig> {
    let private = PrivatePkcs8KeyDer::from(keys.pkcs8());
    let signing = provider::sign::any_eddsa_type(&private).expect("KeyPair holds a key that was read before");
    let public = signing.public_key().expect("KeyPair took its pin from this").into_owned();
    let shown = CertifiedKey::new(vec![CertificateDer::from(public.as_ref().to_vec())], signing);
    let mut config = rustls::ServerConfig::builder_with_provider(ciphers())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(shown))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Arc::new(QuicServerConfig::try_from(config).expect("AES-128-GCM is among the ciphers, as QUIC needs"))
}

/// QUIC demands AES-128; ChaCha20 is for machines without AES in hardware. More choice would serve nobody.
fn ciphers() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            provider::cipher_suite::TLS13_AES_128_GCM_SHA256,
            provider::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![provider::kx_group::X25519],
        ..provider::default_provider()
    })
}

#[derive(Debug)]
struct OneKey {
    pin: KeyPin,
    other_key: Arc<AtomicBool>,
}

impl ServerCertVerifier for OneKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if pin_of(end_entity) == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        self.other_key.store(true, Ordering::Relaxed);
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(key.as_ref()),
            signature,
            &provider::default_provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
