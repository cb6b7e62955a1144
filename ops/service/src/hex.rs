//! Bytes as lower-case hexadecimal digits.

use base16ct::lower;

/// Encodes bytes as lower-case hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    lower::encode_string(bytes)
}

/// Decodes exactly `N` bytes. Returns `None` for any other text, upper-case digits included.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let decoded = lower::decode(text, &mut bytes).ok()?.len();
    (decoded == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exactly_n_bytes_in_lower_case_are_decoded() {
        assert_eq!(to_hex(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(from_hex::<3>("00abff"), Some([0, 0xab, 0xff]));
        for text in ["", "00abf", "00ab", "00abff00", "00ABff", "00abfg", " 0abff", "0x00ab", "é0abf"] {
            assert_eq!(from_hex::<3>(text), None, "{text}");
        }
    }
}
