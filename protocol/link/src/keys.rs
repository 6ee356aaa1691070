//! Key pairs, the pins that name them, and the proofs of secrets.
//!
//! A server shows a bare public key (RFC 7250), no certificate: nobody signs for it, the ticket names it.

use farwarp_protocol::admission::EXPORTER_LABEL;
use farwarp_protocol::ticket::{KeyPin, Secret};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, signature};
use rustls_pki_types::PrivatePkcs8KeyDer;

/// An Ed25519 key pair of a gate, or of one session's worker.
pub struct KeyPair {
    pkcs8: Vec<u8>,
    pin: KeyPin,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("these {bytes} bytes are no Ed25519 key in PKCS #8")]
    NotAKey { bytes: usize },
}

impl KeyPair {
    pub fn generate() -> Self {
        // Fails only where the kernel gives no random bytes, and then no key may be made.
        let pkcs8 = signature::Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .expect("the kernel has randomness");
        Self::from_pkcs8(pkcs8.as_ref().to_vec()).expect("a key that was just made is a key")
    }

    pub fn from_pkcs8(pkcs8: Vec<u8>) -> Result<Self, KeyError> {
        let refused = KeyError::NotAKey { bytes: pkcs8.len() };
        let key = rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()));
        let pin = match key.ok().as_ref().and_then(|key| key.public_key()) {
            Some(public) => pin_of(&public),
            None => return Err(refused),
        };
        Ok(Self { pkcs8, pin })
    }

    /// The key pair that this seed makes, always the same one.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        // RFC 8410: what stands before the 32 bytes never changes.
        const HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        Self::from_pkcs8([&HEAD[..], seed].concat()).expect("any 32 bytes are an Ed25519 seed")
    }

    pub fn pin(&self) -> KeyPin {
        self.pin
    }

    /// The private key; it goes to a file or a worker, nowhere else.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

/// What names a public key, given as its SubjectPublicKeyInfo.
pub fn pin_of(public_key_info: &[u8]) -> KeyPin {
    let mut pin = KeyPin([0; 32]);
    pin.0.copy_from_slice(digest::digest(&digest::SHA256, public_key_info).as_ref());
    pin
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the kernel has randomness");
    bytes
}

/// What a TLS connection exports for a proof; no other connection exports the same.
pub type Exported = [u8; 32];

/// Proves a secret on one connection, together with what else is said.
pub fn prove(secret: &Secret, exported: &Exported, said: &[u8]) -> [u8; 32] {
    let mut proof = [0; 32];
    proof.copy_from_slice(hmac::sign(&mac_key(secret), &[exported, said].concat()).as_ref());
    proof
}

/// Compares in constant time.
pub fn is_proven(secret: &Secret, exported: &Exported, said: &[u8], proof: &[u8; 32]) -> bool {
    hmac::verify(&mac_key(secret), &[exported, said].concat(), proof).is_ok()
}

fn mac_key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &secret.0)
}

/// What a data opening's proof covers beside the exported bytes.
pub fn data_words(session: u64, epoch: u32) -> [u8; 12] {
    let mut words = [0; 12];
    words[..8].copy_from_slice(&session.to_le_bytes());
    words[8..].copy_from_slice(&epoch.to_le_bytes());
    words
}

/// Takes the exported bytes of a TLS session through quinn's interface.
pub fn export(session: &dyn quinn_proto::crypto::Session, context: &[u8]) -> Option<Exported> {
    let mut exported = Exported::default();
    session.export_keying_material(&mut exported, EXPORTER_LABEL, context).ok()?;
    Some(exported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_one_secret_one_connection_and_one_saying() {
        let (secret, exported) = (Secret(random()), random());
        let proof = prove(&secret, &exported, b"said");
        assert!(is_proven(&secret, &exported, b"said", &proof));
        assert!(!is_proven(&Secret(random()), &exported, b"said", &proof));
        assert!(!is_proven(&secret, &random(), b"said", &proof));
        assert!(!is_proven(&secret, &exported, b"sung", &proof));
        assert!(!is_proven(&secret, &exported, b"said", &[0; 32]));
    }

    #[test]
    fn a_key_keeps_its_pin_through_a_file() {
        let pair = KeyPair::generate();
        assert_eq!(KeyPair::from_pkcs8(pair.pkcs8().to_vec()).unwrap().pin(), pair.pin());
        assert_ne!(KeyPair::generate().pin(), pair.pin());
        assert_eq!(KeyPair::from_pkcs8(vec![1, 2]).err(), Some(KeyError::NotAKey { bytes: 2 }));
    }
}
