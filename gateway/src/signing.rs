//! Signed requests: the signed text, public keys and signatures. Pure.
//!
//! API.md specifies the bytes, with an example that a test below checks. Not here: which keys exist
//! (`view::keys`), and what was accepted before (`replays`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use schemas::ApiKeyId;
use service::hex::to_hex;
use sha2::{Digest, Sha256};

/// First line of the signed text: purpose and version.
const PURPOSE: &str = "lfg-request-v1";

/// The method in the signed text of a WebSocket message. No HTTP request can produce the same text.
pub const WEBSOCKET_METHOD: &str = "AUTH";

/// Digits of a time in milliseconds: enough until the year 5138.
const TIMESTAMP_DIGITS: usize = 14;

/// What a client states beside the text it signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The key that it claims to hold.
    pub key: ApiKeyId,
    /// When it signed, in milliseconds since 1970-01-01 UTC by its own clock.
    pub timestamp: u64,
    /// Signature over [`Stamp::text`].
    pub signature: [u8; 64],
}

impl Stamp {
    /// Returns the text to sign. `target` is the path and the query as sent.
    pub fn text(&self, method: &str, target: &str, body: &[u8]) -> String {
        let (key, timestamp, body) = (self.key.0, self.timestamp, to_hex(&Sha256::digest(body)));
        format!("{PURPOSE}\n{key:016x}\n{timestamp}\n{method}\n{target}\n{body}")
    }
}

/// Parses a time in a header. Returns `None` unless it is decimal digits in canonical form.
pub fn timestamp(text: &str) -> Option<u64> {
    let digits = (1..=TIMESTAMP_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits && !text.starts_with('0'))
}

/// Parses a signature in base64. Returns `None` unless it is exactly 64 bytes.
pub fn signature(text: &str) -> Option<[u8; 64]> {
    bytes(text)
}

/// Parses a public key in base64. Accepts only points of the curve, without the few weak ones under
/// which signatures can be made without a private key.
pub fn public_key(text: &str) -> Option<[u8; 32]> {
    let key = VerifyingKey::from_bytes(&bytes(text)?).ok()?;
    (!key.is_weak()).then(|| key.to_bytes())
}

/// Formats a public key as [`public_key`] parses it.
pub fn shown(public_key: &[u8; 32]) -> String {
    STANDARD.encode(public_key)
}

/// Decodes padded base64 of the standard alphabet, in canonical form only.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Reject long text before decoding it.
    let fits = text.len() == N.div_ceil(3) * 4;
    fits.then(|| STANDARD.decode(text).ok()?.try_into().ok()).flatten()
}

/// Returns true if the holder of the public key signed this text. Invalid and weak keys verify
/// nothing.
pub fn is_by(public_key: &[u8; 32], text: &str, signature: &[u8; 64]) -> bool {
    let key = VerifyingKey::from_bytes(public_key);
    // Strict verification: a signature has one encoding, and small-order points are rejected.
    key.is_ok_and(|key| key.verify_strict(text.as_bytes(), &Signature::from_bytes(signature)).is_ok())
}

/// A public key without an owner (the curve's base point), so that a request with an unknown key
/// costs as much work as one with a known key.
pub const NOBODYS: [u8; 32] = {
    let mut point = [0x66; 32];
    point[0] = 0x58;
    point
};

#[cfg(test)]
pub mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};
    use service::hex::from_hex;

    /// Signs as a client does.
    pub fn signed(secret: &[u8; 32], stamp: Stamp, text: &str) -> Stamp {
        let signature = SigningKey::from_bytes(secret).sign(text.as_bytes()).to_bytes();
        Stamp { signature, ..stamp }
    }

    #[test]
    fn the_vectors_of_rfc_8032_verify_and_no_change_of_them_does() {
        // RFC 8032, 7.1: test 1, of the empty message, and test 2, of the byte 0x72.
        let key = from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        let signature = from_hex(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        );
        assert!(is_by(&key, "", &signature.unwrap()));
        let key = from_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c").unwrap();
        let signature: [u8; 64] = from_hex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        )
        .unwrap();
        assert!(is_by(&key, "r", &signature));
        assert!(!is_by(&key, "s", &signature) && !is_by(&key, "", &signature) && !is_by(&NOBODYS, "r", &signature));
        for byte in 0..64 {
            let mut other = signature;
            other[byte] ^= 1;
            assert!(!is_by(&key, "r", &other), "byte {byte}");
        }
    }

    #[test]
    fn a_signature_has_one_spelling() {
        // The same scalar plus the group's order: a naive verifier takes it for the same signature.
        let order: [u8; 32] = from_hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
        let secret = [7; 32];
        let public = SigningKey::from_bytes(&secret).verifying_key().to_bytes();
        let stamp = Stamp { key: ApiKeyId(1), timestamp: 1, signature: [0; 64] };
        let mut signature = signed(&secret, stamp, "text").signature;
        assert!(is_by(&public, "text", &signature));
        let mut carry = 0;
        for (byte, more) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        assert!(!is_by(&public, "text", &signature));
    }

    #[test]
    fn weak_keys_and_what_is_no_point_are_no_public_keys() {
        let good = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
        assert_eq!(public_key(&shown(&good)), Some(good));
        assert!(public_key(&shown(&NOBODYS)).is_some());
        // The points of order 1, 2, 4 and 8 (RFC 7748, 6.1 and its sources), and a y coordinate
        // that no point has.
        for hex in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "0200000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert_eq!(public_key(&shown(&from_hex(hex).unwrap())), None, "{hex}");
        }
    }

    #[test]
    fn bytes_have_one_spelling() {
        let text = shown(&NOBODYS);
        assert_eq!((text.len(), public_key(&text)), (44, Some(NOBODYS)));
        let (url, unpadded, spare) = (text.replace('Z', "_"), text.trim_end_matches('='), text.replace("Y=", "Z="));
        let spaced = format!("{text} ");
        for other in ["", &url, unpadded, &spare, &spaced, &text[4..], &text.repeat(2)] {
            assert_eq!(public_key(other), None, "{other}");
            assert_eq!(signature(other), None, "{other}");
        }
        assert_eq!(signature(&STANDARD.encode([1; 64])), Some([1; 64]));
    }

    #[test]
    fn a_time_has_one_spelling() {
        assert_eq!(timestamp("1764288000123"), Some(1_764_288_000_123));
        for text in ["", "0", "+1", "-1", "01", " 1", "1.5", "1e3", "x", "999999999999999"] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn every_part_of_a_request_changes_the_text() {
        let stamp = Stamp { key: ApiKeyId(0xab), timestamp: 5, signature: [0; 64] };
        let text = stamp.text("POST", "/v1/orders?x=1", b"{}");
        let body = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(text, format!("lfg-request-v1\n00000000000000ab\n5\nPOST\n/v1/orders?x=1\n{body}"));
        for other in [
            Stamp { key: ApiKeyId(0xac), ..stamp }.text("POST", "/v1/orders?x=1", b"{}"),
            Stamp { timestamp: 6, ..stamp }.text("POST", "/v1/orders?x=1", b"{}"),
            stamp.text("PUT", "/v1/orders?x=1", b"{}"),
            stamp.text("POST", "/v1/orders?x=2", b"{}"),
            stamp.text("POST", "/v1/orders?x=1", b"{ }"),
        ] {
            assert_ne!(text, other);
        }
    }

    /// The example of API.md, line by line.
    #[test]
    fn the_documents_example_is_what_the_code_does() {
        let document = include_str!("../API.md");
        let section = document.split("<a id=\"signing-example\"></a>").nth(1).expect("the example's anchor");
        let mut blocks = section.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap().1.trim());
        let [request, text] = [(); 2].map(|()| blocks.next().expect("a block"));
        let (head, body) = request.split_once("\n\n").expect("a head and a body");
        let (first, headers) = head.split_once('\n').unwrap();
        let [method, target, "HTTP/1.1"] = first.split(' ').collect::<Vec<_>>()[..] else { panic!("{first}") };
        let header = |name: &str| headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap();
        let key = ApiKeyId(u64::from_be_bytes(from_hex(header("LFG-Key")).unwrap()));
        let (timestamp, signature) = (timestamp(header("LFG-Timestamp")).unwrap(), header("LFG-Signature"));
        let stamp = Stamp { key, timestamp, signature: super::signature(signature).unwrap() };
        assert_eq!(stamp.text(method, target, body.as_bytes()), text);
        // The private key is that of RFC 8032's first test.
        let secret = from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        assert!(section.contains(&to_hex(&secret)));
        let public = SigningKey::from_bytes(&secret).verifying_key().to_bytes();
        assert!(section.contains(&shown(&public)));
        assert_eq!(STANDARD.encode(signed(&secret, stamp, text).signature), signature);
        assert!(is_by(&public, text, &stamp.signature));
    }
}
