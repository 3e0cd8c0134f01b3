//! How an endpoint knows that a delivery is ours (SPEC N3): an HMAC over the time and the body.

use crate::config::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The value of `Thexr-Signature` for a body sent at `t`, seconds since 1970.
pub fn signature(secret: &Secret, t: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("a key of any length");
    mac.update(t.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("t={t},v1={}", hex(&mac.finalize().into_bytes()))
}

/// A name for a batch that any retry of it gets again, before or after a restart.
pub fn delivery_id(webhook: &str, epoch: &str, first: i64, last: i64) -> String {
    let digest = Sha256::digest(format!("{webhook} {epoch} {first} {last}"));
    hex(&digest[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC N3. Compared with `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret of a test'`.
    #[test]
    fn the_signature_is_an_hmac_of_the_time_and_the_body() {
        let secret = Secret::new("a secret of a test");
        assert_eq!(
            signature(&secret, 1_700_000_000, b"{\"a\":1}"),
            "t=1700000000,v1=0e72c89af1cc2a205c7526ab0f000f2e0c08630fca6e5a79ed9fc22679058c43"
        );
    }

    /// SPEC N4.
    #[test]
    fn a_batch_has_one_name_and_another_batch_another() {
        let name = delivery_id("w", "e", 1, 2);
        assert_eq!((name.len(), &name), (32, &delivery_id("w", "e", 1, 2)));
        for other in [
            delivery_id("x", "e", 1, 2),
            delivery_id("w", "f", 1, 2),
            delivery_id("w", "e", 1, 3),
        ] {
            assert_ne!(name, other);
        }
    }
}
