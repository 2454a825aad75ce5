//! Just enough DER (X.690) to cut signed objects into pieces whose exact bytes count, and to check their signatures.

use webpki::ALL_VERIFICATION_ALGS;

pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const SEQUENCE: u8 = 0x30;

/// One element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    /// Its tag: all of ours are below 31 and take one byte.
    pub(crate) tag: u8,
    /// What is in it.
    pub(crate) content: &'a [u8],
    /// All of it, with tag and length.
    pub(crate) whole: &'a [u8],
}

/// The first element and what follows; none where its length is not written as DER demands or goes beyond the end.
pub(crate) fn first(input: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let (length, rest) = match short {
        0..=0x7F => (usize::from(short), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(short & 0x7F))?;
            let length =
                digits.iter().try_fold(0_usize, |sum, digit| sum.checked_mul(256)?.checked_add((*digit).into()));
            let length = length.filter(|length| *length > 0x7F && digits.first() != Some(&0))?;
            (length, rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    let whole = input.get(..input.len() - after.len())?;
    Some((Element { tag, content, whole }, after))
}

/// The first element, which has this tag.
pub(crate) fn expect(input: &[u8], tag: u8) -> Option<(Element<'_>, &[u8])> {
    first(input).filter(|(element, _)| element.tag == tag)
}

/// The one element that is all of the input.
pub(crate) fn only(input: &[u8], tag: u8) -> Option<Element<'_>> {
    expect(input, tag).filter(|(_, rest)| rest.is_empty()).map(|(element, _)| element)
}

/// The content of a string of whole bytes.
fn bit_string(element: Element<'_>) -> Option<&[u8]> {
    element.content.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bytes)| bytes)
}

/// A public key, cut from a `SubjectPublicKeyInfo` (RFC 5280, 4.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct PublicKey<'a> {
    /// The content of its `AlgorithmIdentifier`.
    pub(crate) algorithm: &'a [u8],
    /// The key itself.
    pub(crate) bits: &'a [u8],
}

impl<'a> PublicKey<'a> {
    pub(crate) fn read(info: &'a [u8]) -> Option<Self> {
        let info = only(info, SEQUENCE)?;
        let (algorithm, rest) = expect(info.content, SEQUENCE)?;
        Some(Self { algorithm: algorithm.content, bits: bit_string(only(rest, BIT_STRING)?)? })
    }
}

/// What certificates, requests and revocation lists have in common: a body, an algorithm, and a signature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// What is signed.
    pub(crate) body: Element<'a>,
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Cuts it; none where it is something else, or something follows.
    pub(crate) fn read(der: &'a [u8]) -> Option<Self> {
        let all = only(der, SEQUENCE)?;
        let (body, rest) = expect(all.content, SEQUENCE)?;
        let (algorithm, rest) = expect(rest, SEQUENCE)?;
        let signature = bit_string(only(rest, BIT_STRING)?)?;
        Some(Self { body, algorithm: algorithm.content, signature })
    }

    /// Whether the key with this `SubjectPublicKeyInfo` has signed it, with an algorithm that is good enough.
    pub(crate) fn is_by(&self, key: &[u8]) -> bool {
        let Some(key) = PublicKey::read(key) else { return false };
        ALL_VERIFICATION_ALGS
            .iter()
            .filter(|known| known.public_key_alg_id().as_ref() == key.algorithm)
            .filter(|known| known.signature_alg_id().as_ref() == self.algorithm)
            .any(|known| known.verify_signature(key.bits, self.body.whole, self.signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_read_as_der_writes_them_and_in_no_other_way() {
        assert_eq!(first(&[4, 2, 7, 8, 9]).map(|(one, rest)| (one.content, rest)), Some((&[7, 8][..], &[9][..])));
        let mut long = vec![4, 0x81, 200];
        long.extend([1; 200]);
        assert_eq!(first(&long).unwrap().0.content.len(), 200);
        for wrong in [
            &[][..],
            &[4],
            &[4, 1],
            &[4, 0x80, 0, 0],
            &[4, 0x81, 1, 7],
            &[4, 0x82, 0, 200],
            &[4, 0x85, 0, 0, 0, 0, 1, 0],
        ] {
            assert!(first(wrong).is_none(), "{wrong:?}");
        }
        assert!(first(&[4, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 1]).is_none(), "beyond the end");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (first(&bytes).is_some(), PublicKey::read(&bytes).is_some());
            let _ = Signed::read(&bytes).is_some_and(|signed| signed.is_by(&bytes));
        }
    }
}
