//! The description of a service that clients load: WSDL 1.1 with its schema, in the shape of Axis2's.

use std::fmt::Write as _;

use crate::PAYLOAD;
use crate::reply::{PROLOGUE, escaped};
use crate::table::{Field, Kind, ObjectType, Operation, Service};

/// The type that others extend.
const BASE: &str = "ApiObject";
/// What a fault holds.
const FAULT: &str = "DeterFault";
const FAULT_FIELDS: [Field; 3] = [Field::text("detailMessage"), Field::int("errorCode"), Field::text("errorMessage")];
/// SOAP over HTTP.
const TRANSPORT: &str = "http://schemas.xmlsoap.org/soap/http";

impl Service {
    /// The whole description. `base` is the address below which the services are: `https://host:52323/axis2/services`.
    #[must_use]
    pub fn wsdl(&self, base: &str) -> String {
        let mut out = String::with_capacity(32 << 10);
        out.push_str(PROLOGUE);
        let spaces = [
            ("wsdl", "http://schemas.xmlsoap.org/wsdl/"),
            ("ns", PAYLOAD),
            ("tns", self.target_namespace),
            ("wsaw", "http://www.w3.org/2006/05/addressing/wsdl"),
            ("http", "http://schemas.xmlsoap.org/wsdl/http/"),
            ("xs", "http://www.w3.org/2001/XMLSchema"),
            ("mime", "http://schemas.xmlsoap.org/wsdl/mime/"),
            ("soap", "http://schemas.xmlsoap.org/wsdl/soap/"),
            ("soap12", "http://schemas.xmlsoap.org/wsdl/soap12/"),
        ];
        out.push_str("<wsdl:definitions");
        for (prefix, space) in spaces {
            put(&mut out, format_args!(" xmlns:{prefix}=\"{space}\""));
        }
        put(&mut out, format_args!(" targetNamespace=\"{}\"><wsdl:types>", self.target_namespace));
        self.schema(&mut out, "");
        out.push_str("</wsdl:types>");
        self.messages(&mut out);
        self.port_type(&mut out);
        self.soap_binding(&mut out, "Soap11", "soap");
        self.soap_binding(&mut out, "Soap12", "soap12");
        self.http_binding(&mut out);
        self.ports(&mut out, base);
        out.push_str("</wsdl:definitions>");
        out
    }

    /// The schema by itself.
    #[must_use]
    pub fn xsd(&self) -> String {
        let mut out = String::with_capacity(16 << 10);
        out.push_str(PROLOGUE);
        self.schema(&mut out, &format!(" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:ns=\"{PAYLOAD}\""));
        out
    }

    fn schema(&self, out: &mut String, bound: &str) {
        put(
            out,
            format_args!(
                "<xs:schema{bound} attributeFormDefault=\"qualified\" elementFormDefault=\"qualified\" \
                 targetNamespace=\"{PAYLOAD}\">"
            ),
        );
        put(out, format_args!("<xs:element name=\"{}{FAULT}\"><xs:complexType><xs:sequence>", self.name));
        put(out, format_args!("<xs:element minOccurs=\"0\" name=\"{FAULT}\" nillable=\"true\" type=\"ns:{FAULT}\"/>"));
        out.push_str("</xs:sequence></xs:complexType></xs:element>");
        for operation in self.operations {
            put(out, format_args!("<xs:element name=\"{}\"><xs:complexType><xs:sequence>", operation.name));
            operation.takes.iter().for_each(|field| element(out, field));
            operation.other_names().iter().for_each(|field| element(out, field));
            out.push_str("</xs:sequence></xs:complexType></xs:element>");
            put(out, format_args!("<xs:element name=\"{}Response\"><xs:complexType><xs:sequence>", operation.name));
            let gives = operation.gives;
            element(out, &Field { name: "return", aliases: &[], kind: gives.kind, many: gives.many });
            out.push_str("</xs:sequence></xs:complexType></xs:element>");
        }
        put(out, format_args!("<xs:complexType name=\"{BASE}\"><xs:sequence/></xs:complexType>"));
        put(out, format_args!("<xs:complexType name=\"{FAULT}\"><xs:sequence>"));
        FAULT_FIELDS.iter().for_each(|field| element(out, field));
        out.push_str("</xs:sequence></xs:complexType>");
        for object in self.objects() {
            put(out, format_args!("<xs:complexType name=\"{}\"><xs:complexContent>", object.name));
            put(out, format_args!("<xs:extension base=\"ns:{BASE}\"><xs:sequence>"));
            object.ordered().into_iter().for_each(|field| element(out, field));
            out.push_str("</xs:sequence></xs:extension></xs:complexContent></xs:complexType>");
        }
        out.push_str("</xs:schema>");
    }

    /// All types that the operations take and give, with those that they hold, by their names.
    fn objects(&self) -> Vec<&'static ObjectType> {
        let mut found: Vec<&'static ObjectType> = Vec::new();
        let kinds = |operation: &'static Operation| {
            operation.takes.iter().map(|field| field.kind).chain([operation.gives.kind])
        };
        let mut waiting: Vec<Kind> = self.operations.iter().flat_map(kinds).collect();
        while let Some(kind) = waiting.pop() {
            let Kind::Object(object) = kind else { continue };
            if !found.iter().any(|known| known.name == object.name) {
                found.push(object);
                waiting.extend(object.fields.iter().map(|field| field.kind));
            }
        }
        found.sort_by_key(|object| object.name);
        found
    }

    fn messages(&self, out: &mut String) {
        for operation in self.operations {
            for (message, element) in [("Request", ""), ("Response", "Response")] {
                let name = operation.name;
                put(out, format_args!("<wsdl:message name=\"{name}{message}\">"));
                put(
                    out,
                    format_args!("<wsdl:part name=\"parameters\" element=\"ns:{name}{element}\"/></wsdl:message>"),
                );
            }
        }
        let name = self.name;
        put(out, format_args!("<wsdl:message name=\"{name}{FAULT}\">"));
        put(out, format_args!("<wsdl:part name=\"parameters\" element=\"ns:{name}{FAULT}\"/></wsdl:message>"));
    }

    fn port_type(&self, out: &mut String) {
        let service = self.name;
        put(out, format_args!("<wsdl:portType name=\"{service}PortType\">"));
        for Operation { name, .. } in self.operations {
            put(out, format_args!("<wsdl:operation name=\"{name}\">"));
            put(out, format_args!("<wsdl:input message=\"tns:{name}Request\" wsaw:Action=\"urn:{name}\"/>"));
            put(out, format_args!("<wsdl:output message=\"tns:{name}Response\" wsaw:Action=\"urn:{name}Response\"/>"));
            put(
                out,
                format_args!(
                    "<wsdl:fault message=\"tns:{service}{FAULT}\" name=\"{service}{FAULT}\" \
                     wsaw:Action=\"urn:{name}{service}{FAULT}\"/></wsdl:operation>"
                ),
            );
        }
        out.push_str("</wsdl:portType>");
    }

    fn soap_binding(&self, out: &mut String, kind: &str, prefix: &str) {
        let service = self.name;
        put(out, format_args!("<wsdl:binding name=\"{service}{kind}Binding\" type=\"tns:{service}PortType\">"));
        put(out, format_args!("<{prefix}:binding transport=\"{TRANSPORT}\" style=\"document\"/>"));
        for Operation { name, .. } in self.operations {
            put(out, format_args!("<wsdl:operation name=\"{name}\">"));
            put(out, format_args!("<{prefix}:operation soapAction=\"urn:{name}\" style=\"document\"/>"));
            put(out, format_args!("<wsdl:input><{prefix}:body use=\"literal\"/></wsdl:input>"));
            put(out, format_args!("<wsdl:output><{prefix}:body use=\"literal\"/></wsdl:output>"));
            put(out, format_args!("<wsdl:fault name=\"{service}{FAULT}\">"));
            put(out, format_args!("<{prefix}:fault use=\"literal\" name=\"{service}{FAULT}\"/>"));
            out.push_str("</wsdl:fault></wsdl:operation>");
        }
        out.push_str("</wsdl:binding>");
    }

    fn http_binding(&self, out: &mut String) {
        let service = self.name;
        put(out, format_args!("<wsdl:binding name=\"{service}HttpBinding\" type=\"tns:{service}PortType\">"));
        out.push_str("<http:binding verb=\"POST\"/>");
        for Operation { name, .. } in self.operations {
            put(out, format_args!("<wsdl:operation name=\"{name}\"><http:operation location=\"{name}\"/>"));
            out.push_str("<wsdl:input><mime:content type=\"application/xml\" part=\"parameters\"/></wsdl:input>");
            out.push_str("<wsdl:output><mime:content type=\"application/xml\" part=\"parameters\"/></wsdl:output>");
            out.push_str("</wsdl:operation>");
        }
        out.push_str("</wsdl:binding>");
    }

    fn ports(&self, out: &mut String, base: &str) {
        let (service, base) = (self.name, escaped(base));
        put(out, format_args!("<wsdl:service name=\"{service}\">"));
        for (kind, prefix) in [("Soap11", "soap"), ("Soap12", "soap12"), ("", "http")] {
            let port = format!("{service}Https{kind}Endpoint");
            let binding = if kind.is_empty() { "Http" } else { kind };
            put(out, format_args!("<wsdl:port name=\"{port}\" binding=\"tns:{service}{binding}Binding\">"));
            put(out, format_args!("<{prefix}:address location=\"{base}/{service}.{port}/\"/></wsdl:port>"));
        }
        out.push_str("</wsdl:service>");
    }
}

/// An element in a sequence of the schema.
fn element(out: &mut String, field: &Field) {
    let many = if field.many { "maxOccurs=\"unbounded\" " } else { "" };
    let nillable = if field.kind.is_nillable() { " nillable=\"true\"" } else { "" };
    let (name, kind) = (field.name, field.kind.schema_name());
    put(out, format_args!("<xs:element {many}minOccurs=\"0\" name=\"{name}\"{nillable} type=\"{kind}\"/>"));
}

/// Nothing goes wrong in writing into a text.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
