//! Keys for SSH: read, made, printed and told apart by their fingerprints.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;

use super::*;
use crate::area::pem;

/// The key that Deltacloud's documentation prints, and the fingerprint that it prints with it.
const PRINTED: &str = include_str!("printed.pem");
const PRINTED_FINGERPRINT: &str = "c6:80:5c:0a:b8:66:0d:58:5a:bf:0f:c2:5d:35:d3:c7:49:f3:5a:5f";

/// Keys that `ssh-keygen` has made, and what `ssh-keygen -l` says of them; of the first `openssl md5 -c` of its DER.
const RSA: &str = include_str!("rsa.pub");
const KEYS: [(&str, &str); 5] = [
    (RSA, "9d:b4:d7:f7:d7:63:8e:59:96:63:a2:4e:cd:47:80:c2"),
    (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqkYlEI1o37GwHQNRRltjL5dp16pG9KRVBcMT9P5I3N",
        "SHA256:xnAqwrpxTNsLL5ARomz97p90+2TRkjzsk3HHD4SCjAw",
    ),
    (
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFDUqpm60z4VJACSolVe3KiFo+8WMG3A5VsTBs\
         EGZ6kwCfBsSNcMF3y89RinjgZaucX4UP099DJ3y0ejLz/vcTw=",
        "SHA256:g2T30dtdFCcKsUroIfP/zjZf1ldt2dTfVFxbDLohWHM",
    ),
    (
        "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBD9WPgPIj0U8a8lmynWZXf4CTjzvhzeKIi3Wz9\
         4PY94/OC7CUqa4nDjRtUz7M1GuTt2hItFrpNzfuovxPg69DlzPWsY5f5N8e1Zh5b050Q5U2REypTbtW1UlifUgiKEN/A==",
        "SHA256:7QjeeB9WRsvnZzLPOEK9xmH3M8rvm0JYAAF4fBoWeV8",
    ),
    (
        "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBADbcOTyXyWTX50Ogb+43i8FqAceGTf9J9rhXR\
         lT8LbSlOiLAcgMIh8TucYFKDx7otum3uonJE68ow3Ygn6xb6IBKgERxqzAatlY9ZMIeZx5cziLLTM2EKNDEvPhBlBWQRHV2CbcAVMeUiKs5p/6K\
         ZHbF8gTNKDj9jjqC0GA6Hfc/SUcTQ==",
        "SHA256:CokJeCJu0lYeKU62cJFoV3AJyZzB8wuG1pECQgXLUeQ",
    ),
];

fn of_pem(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    BASE64_STANDARD.decode(body).unwrap()
}

#[test]
fn the_printed_key_has_the_printed_fingerprint() {
    let pkcs1 = of_pem(PRINTED);
    let pkcs8 = pkcs8_of(&pkcs1);
    assert_eq!((pkcs1.len(), pkcs8.len()), (1194, 1220));
    assert_eq!(fingerprint_of_private(&pkcs1), PRINTED_FINGERPRINT);
    assert_eq!(pkcs1_of(&pkcs8), Some(&pkcs1[..]));
    assert_eq!(rsa_private_pem(&pkcs1), PRINTED);
}

#[test]
fn a_new_pair_is_in_the_forms_that_old_clients_know() {
    let pair = Pair::generate().unwrap();
    assert!(pair.private_pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    let pkcs1 = of_pem(&pair.private_pem);
    assert_eq!(pair.fingerprint, fingerprint_of_private(&pkcs1));
    assert_eq!(pair.fingerprint.len(), 59);
    // The library, which wrote the key in PKCS#8, reads what was cut from it and wrapped again; its public half is that one.
    let read = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&pkcs8_of(&pkcs1)).unwrap();
    let public = aws_lc_rs::signature::KeyPair::public_key(&read).as_ref().to_vec();
    assert_eq!(PublicKey::from_pkcs1(&public).unwrap(), pair.public);
    assert_eq!(PublicKey::parse(&pair.public.openssh()).unwrap(), pair.public);
    assert_ne!(Pair::generate().unwrap().fingerprint, pair.fingerprint);
    assert!(!format!("{pair:?}").contains("PRIVATE"));
}

#[test]
fn every_kind_of_key_is_read_written_and_named() {
    for (line, fingerprint) in KEYS {
        let key = PublicKey::parse(line).unwrap();
        assert_eq!(key.fingerprint(), fingerprint);
        assert!(line.starts_with(&key.openssh()), "{line}");
        let pem = pem::block(pem::PUBLIC_KEY, key.info());
        assert_eq!(PublicKey::parse(&pem).unwrap().openssh(), key.openssh());
    }
    let key = PublicKey::parse(RSA).unwrap();
    assert_eq!(key.comment(), Some("jane@example.org"));
    for pem in [include_str!("rsa.pem"), include_str!("rsa_pkcs1.pem")] {
        assert_eq!(PublicKey::parse(pem).unwrap().openssh(), key.openssh());
        assert_eq!(PublicKey::parse(&pem.replace('\n', "\r\n")).unwrap().fingerprint(), key.fingerprint());
    }
}

#[test]
fn what_is_no_public_key_is_refused_with_the_reason() {
    let kind = |shown: &str| SshKeyError::Kind { shown: shown.to_owned() };
    let damaged = |what| SshKeyError::Damaged { what };
    let [(rsa, _), (ed25519, _), (p256, _), ..] = KEYS;
    let other_point = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFDUqpm60z4VJACSolVe3KiFo+8WMG\
        3A5VsTBsEGZ6kwCfBsSNcMF3y89RinjgZaucX4UP099DJ3y0ejLz/vcTs=";
    for (text, error) in [
        ("", SshKeyError::Form),
        ("garbage", SshKeyError::Form),
        ("ssh-rsa garbage", SshKeyError::Form),
        (&format!("command=\"x\" {rsa}"), SshKeyError::Form),
        (&format!("{rsa}{ed25519}"), SshKeyError::Form),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", SshKeyError::Form),
        ("-----BEGIN PUBLIC KEY-----\nAAAA", SshKeyError::Form),
        (PRINTED, SshKeyError::Private),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", SshKeyError::Private),
        ("ssh-dss AAAAB3NzaC1kc3M=", kind("ssh-dss")),
        ("ssh-rsa AAAAB3N&aC1yc2E=", damaged("base64")),
        ("-----BEGIN PUBLIC KEY-----\nAA*A\n-----END PUBLIC KEY-----", damaged("base64")),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", damaged("DER")),
        (&ed25519.replace("ssh-ed25519 ", "ssh-rsa "), damaged("kind")),
        (&ed25519[..40], damaged("length")),
        (other_point, damaged("content")),
        (&p256.replace("ecdsa-sha2-nistp256 ", "ecdsa-sha2-nistp384 "), damaged("kind")),
        (&"x".repeat(LONGEST + 1), SshKeyError::TooLong { bytes: LONGEST + 1 }),
    ] {
        assert_eq!(PublicKey::parse(text), Err(error), "{text:.60}");
    }
}

#[test]
fn rsa_keys_are_neither_too_short_nor_odd() {
    let number = |bits: usize| [&[0xC0][..], &vec![0xFF; bits / 8 - 1]].concat();
    let of = |modulus: &[u8], exponent: &[u8]| {
        let blob = encode::strings(&[b"ssh-rsa", exponent, modulus]);
        PublicKey::parse(&format!("ssh-rsa {}", BASE64_STANDARD.encode(blob)))
    };
    let positive = |bits: usize| [vec![0], number(bits)].concat();
    for bits in [512, MOST_BITS + 8] {
        assert_eq!(of(&positive(bits), &[1, 0, 1]), Err(SshKeyError::Bits { bits }));
    }
    for bits in [FEWEST_BITS, 2048, MOST_BITS] {
        assert!(of(&positive(bits), &[1, 0, 1]).is_ok(), "{bits}");
    }
    let damaged = |what| Err(SshKeyError::Damaged { what });
    for modulus in [&number(2048)[..], &[], &[0], &[&[0, 0][..], &number(2048)].concat()] {
        assert_eq!(of(modulus, &[1, 0, 1]), damaged("modulus"));
    }
    for exponent in [&[][..], &[0], &[0, 3], &[0x80], &[1; 9]] {
        assert_eq!(of(&positive(2048), exponent), damaged("exponent"), "{exponent:?}");
    }
    assert_eq!(of(&positive(2048), &[2]), damaged("content"), "an even exponent");
}

#[test]
fn other_private_keys_have_no_pkcs1() {
    let ed25519 = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    assert_eq!(pkcs1_of(ed25519.to_pkcs8v1().unwrap().as_ref()), None);
    assert_eq!(pkcs1_of(b""), None);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..5_usize) {
        let _ = PublicKey::parse(&text);
        let kind = KEYS[at].0.split(' ').next().unwrap();
        let _ = PublicKey::parse(&format!("{kind} AAAA{}", BASE64_STANDARD.encode(&bytes)));
        let _ = PublicKey::parse(&pem::block(pem::PUBLIC_KEY, &bytes));
        let _ = (pkcs1_of(&bytes), PublicKey::from_pkcs1(&bytes));
    }

    #[test]
    fn what_is_accepted_is_written_as_it_was_read(at in 0..5_usize, place in 30..200_usize, to in 0..64_u8) {
        let line = KEYS[at].0.trim_end();
        let mut text = line.as_bytes().to_vec();
        let letter = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[usize::from(to)];
        if let Some(byte) = text.get_mut(place) {
            *byte = letter;
        }
        let text = String::from_utf8(text).unwrap();
        if let Ok(key) = PublicKey::parse(&text) {
            prop_assert!(text.starts_with(&key.openssh()));
        }
    }
}
