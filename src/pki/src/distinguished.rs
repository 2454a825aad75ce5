//! Distinguished names: taken from one certificate or request into another without changing a byte of their texts.

use rcgen::string::{BmpString, PrintableString, TeletexString, UniversalString};
use rcgen::{DistinguishedName, DnType, DnValue};
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::X509Name;

/// The same name for a certificate that is to be made. Attributes of one kind that come twice, and relative names of
/// several attributes, cannot be carried over; the reason says so.
pub(crate) fn carried_over(name: &X509Name<'_>) -> Result<DistinguishedName, String> {
    let mut carried = DistinguishedName::new();
    let mut seen: Vec<DnType> = vec![];
    for relative in name.iter() {
        let mut attributes = relative.iter();
        let (Some(attribute), None) = (attributes.next(), attributes.next()) else {
            return Err("a part of the name does not hold exactly one attribute".to_owned());
        };
        let kind = attribute.attr_type().iter().ok_or("an attribute has no usable kind")?;
        let kind = DnType::from_oid(&kind.collect::<Vec<u64>>());
        if seen.contains(&kind) {
            return Err("an attribute of the name comes twice".to_owned());
        }
        seen.push(kind.clone());
        carried.push(kind, value(attribute.attr_value())?);
    }
    Ok(carried)
}

fn value(text: &Any<'_>) -> Result<DnValue, String> {
    let bad = || "an attribute of the name holds no text of its kind".to_owned();
    let latin = || std::str::from_utf8(text.data).map_err(|_| bad());
    Ok(match text.header.tag() {
        Tag::Utf8String => DnValue::Utf8String(latin()?.to_owned()),
        Tag::PrintableString => DnValue::PrintableString(PrintableString::try_from(latin()?).map_err(|_| bad())?),
        Tag::Ia5String => DnValue::Ia5String(latin()?.try_into().map_err(|_| bad())?),
        Tag::T61String => DnValue::TeletexString(TeletexString::try_from(latin()?).map_err(|_| bad())?),
        Tag::BmpString => DnValue::BmpString(BmpString::from_utf16be(text.data.to_vec()).map_err(|_| bad())?),
        Tag::UniversalString => {
            DnValue::UniversalString(UniversalString::from_utf32be(text.data.to_vec()).map_err(|_| bad())?)
        }
        _ => return Err(bad()),
    })
}

/// The texts of all common names; `None` where one of them is no text.
pub(crate) fn common_names<'a>(name: &'a X509Name<'_>) -> Option<Vec<&'a str>> {
    name.iter_common_name().map(|attribute| attribute.as_str().ok()).collect()
}
