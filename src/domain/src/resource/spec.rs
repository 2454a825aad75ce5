//! What a resource type is: its names, its attributes, who may use its collection and what can be done with it.

use serde_json::{Map, Value, json};

use super::kind::{Field, Kind, href, map, text};
use crate::acl::{Acl, Right, Rule};
use crate::id::ResourceId;
use crate::time::Timestamp;

/// The description of one resource type. Validation, `resource-metadata` and the OpenAPI document all come from it.
#[derive(Debug)]
pub struct TypeSpec {
    /// The type as ids begin with it: `device-dynamic`.
    pub name: &'static str,
    /// The type as a word of a programming language: `DeviceDynamic`.
    pub title: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// The `resourceURI` of its members.
    pub uri: &'static str,
    /// The key of the list in a collection, and of the type in the cloud entry point: `deviceDynamics`.
    pub tag: &'static str,
    /// Who may list its members and who may add one.
    pub collection_acl: Acl,
    /// What can be done with it.
    pub verbs: Verbs,
    /// Its own attributes; [`COMMON`] ones come in addition.
    pub fields: &'static [Field],
    /// How a new member gets its id.
    pub naming: Naming,
    /// Whether an agent stores at most one.
    pub one_per_node: bool,
    /// The order of a list when the client asks for none: attribute and whether descending.
    pub default_order: Option<(&'static str, bool)>,
    /// Whether a delete writes [`TypeSpec::deletion_event`].
    pub delete_is_logged: bool,
    /// The top-level attribute whose change writes [`TypeSpec::state_event`].
    pub logged_state: Option<&'static str>,
    /// The rules, under the administrators' ownership, of a new member whose creator sent no list.
    ///
    /// None leaves it to [`Acl::default_for`].
    pub default_rules: Option<&'static [Rule]>,
    /// Whether numbers are also accepted as text, `"2"`.
    pub numbers_as_text: bool,
    /// Rewrites the body of a new member before anything is checked.
    pub rework: fn(&mut Map<String, Value>),
    /// Where its members come from.
    pub served: Served,
    /// The members of a type that is [`Served::BuiltIn`].
    pub documents: fn() -> Vec<BuiltIn>,
    /// What a client sends instead of the member itself to get a new one, if it is not that.
    pub form: Option<&'static Form>,
    /// What can be done with a member besides reading, editing and deleting.
    pub actions: &'static [Action],
    /// Whether changes of its members travel to the area's leader, to its backups and to the cloud (`cluster.md` (g.4)).
    pub travels: bool,
    /// Attributes that whoever holds a replica sets by what it sees itself: they are no part of what travels.
    pub observed: &'static [&'static str],
    /// Whether only the newest state of a member matters: a slow reader may be spared what lies between.
    pub coalesces: bool,
    /// Whether the store leaves the members' JSON on disk: there are many of them, and few are ever read.
    pub on_disk: bool,
}

/// The body that asks for a new member by way of a template: `{"userTemplate": {"href": "user-template/direct", ...}}`.
#[derive(Debug)]
pub struct Form {
    /// The attribute that holds the filled-in template: `userTemplate`.
    pub wrapper: &'static str,
    /// The type of the template: `user-template`.
    pub template: &'static str,
    /// What may be filled in beside `href`, whichever the template.
    pub fields: &'static [Field],
}

/// Something that can be done with one member: `POST /api/<type>/<name>/<action>`.
#[derive(Debug)]
pub struct Action {
    /// The last part of the path.
    pub name: &'static str,
    /// The name under which it is offered in `operations`.
    pub rel: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// The methods that start it.
    pub methods: &'static [&'static str],
    /// What its body may hold; none where it takes no body.
    pub body: Option<&'static [Field]>,
    /// The status of success.
    pub success: u16,
    /// To whom it is offered.
    pub to: Offered,
    /// Whether this member offers it at this instant.
    pub when: fn(&Map<String, Value>, Timestamp) -> bool,
}

/// To whom an action is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// Whoever may read the member.
    Readers,
    /// Whoever may change the member.
    Editors,
}

impl Action {
    /// For [`Action::when`]: any member, at any time.
    #[must_use]
    pub fn always(_: &Map<String, Value>, _: Timestamp) -> bool {
        true
    }
}

/// The names under which a type is known.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// See [`TypeSpec::name`].
    pub name: &'static str,
    /// See [`TypeSpec::title`].
    pub title: &'static str,
    /// See [`TypeSpec::tag`].
    pub tag: &'static str,
    /// See [`TypeSpec::uri`].
    pub uri: &'static str,
    /// See [`TypeSpec::about`].
    pub about: &'static str,
}

/// What can be done with a type besides reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verbs {
    /// New members can be added.
    pub add: bool,
    /// Members can be changed.
    pub edit: bool,
    /// Members can be deleted.
    pub delete: bool,
}

impl Verbs {
    /// Add, edit and delete.
    pub const ALL: Self = Self { add: true, edit: true, delete: true };
    /// Nothing but reading.
    pub const NONE: Self = Self { add: false, edit: false, delete: false };
    /// What is written once and then only deleted.
    pub const ADD_DELETE: Self = Self { add: true, edit: false, delete: true };
}

/// How a new member gets the part of its id after the slash.
#[derive(Debug, Clone, Copy)]
pub enum Naming {
    /// A random UUID.
    Random,
    /// It follows from attributes, which can then not be changed any more.
    Derived {
        /// Those attributes.
        from: &'static [&'static str],
        /// The name that they make, if they are there.
        name: fn(&Map<String, Value>) -> Option<String>,
    },
}

/// Where the members of a type come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// The store.
    Stored,
    /// The program itself: [`TypeSpec::documents`].
    BuiltIn,
}

/// A document that comes with the program.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    /// The part of its id after the slash.
    pub name: &'static str,
    /// Its attributes, without those that every document has from the server.
    pub attributes: Map<String, Value>,
    /// Who may read it.
    pub acl: Acl,
}

impl BuiltIn {
    /// A document; none if `attributes` is no object.
    #[must_use]
    pub fn document(name: &'static str, attributes: Value, acl: Acl) -> Option<Self> {
        match attributes {
            Value::Object(attributes) => Some(Self { name, attributes, acl }),
            _ => None,
        }
    }
}

/// Attributes that the server alone sets. They are dropped from every body, whatever they hold.
pub const SERVER_OWNED: [&str; 5] = ["id", "resourceURI", "created", "updated", "operations"];

/// Attributes that every resource may have.
pub const COMMON: &[Field] = &[
    text("name").optional("a short name for people"),
    text("description").optional("what the resource is, for people"),
    map("properties", &Kind::Text).optional("the client's own keys and values"),
    href("parent").optional("the resource that this one belongs to"),
    href("resourceMetadata").optional("where the type is described"),
];

const USERS_MODIFY_RULES: &[Rule] = &[Rule::role("USER", Right::Modify)];
/// Users may list and add.
pub(super) const USERS_MODIFY: Acl = Acl::of_admin(USERS_MODIFY_RULES);
pub(super) const USERS_VIEW_RULES: &[Rule] = &[Rule::role("USER", Right::View)];
/// Users may list.
pub(super) const USERS_VIEW: Acl = Acl::of_admin(USERS_VIEW_RULES);
/// Everybody may list and users too, in the words of the original.
pub(super) const EVERYBODY_VIEW_RULES: &[Rule] = &[Rule::role("ANON", Right::View), Rule::role("USER", Right::View)];
/// Everybody may list.
pub(super) const EVERYBODY_VIEW: Acl = Acl::of_admin(EVERYBODY_VIEW_RULES);
const EVERYBODY_MODIFY_RULES: &[Rule] =
    &[Rule::role("ANON", Right::Modify), Rule::role("USER", Right::Modify), Rule::role("ADMIN", Right::Modify)];
/// Everybody may list and add: registration and sign-in.
pub(super) const EVERYBODY_MODIFY: Acl = Acl::of_admin(EVERYBODY_MODIFY_RULES);

impl TypeSpec {
    /// A stored type with random ids that can be added, edited and deleted; the methods below change that.
    #[must_use]
    pub const fn new(names: Names, collection_acl: Acl, fields: &'static [Field]) -> Self {
        Self {
            name: names.name,
            title: names.title,
            about: names.about,
            uri: names.uri,
            tag: names.tag,
            collection_acl,
            verbs: Verbs::ALL,
            fields,
            naming: Naming::Random,
            one_per_node: false,
            default_order: None,
            delete_is_logged: false,
            logged_state: None,
            default_rules: None,
            numbers_as_text: false,
            rework: leave,
            served: Served::Stored,
            documents: no_documents,
            form: None,
            actions: &[],
            on_disk: false,
            travels: false,
            observed: &[],
            coalesces: false,
        }
    }

    /// Sets [`TypeSpec::verbs`].
    #[must_use]
    pub const fn verbs(mut self, verbs: Verbs) -> Self {
        self.verbs = verbs;
        self
    }

    /// Makes the id follow from attributes.
    #[must_use]
    pub const fn named(
        mut self,
        from: &'static [&'static str],
        name: fn(&Map<String, Value>) -> Option<String>,
    ) -> Self {
        self.naming = Naming::Derived { from, name };
        self
    }

    /// Allows one member an agent.
    #[must_use]
    pub const fn one_per_node(mut self) -> Self {
        self.one_per_node = true;
        self
    }

    /// Sorts lists, newest or greatest first.
    #[must_use]
    pub const fn descending(mut self, attribute: &'static str) -> Self {
        self.default_order = Some((attribute, true));
        self
    }

    /// Writes an event when a member is deleted.
    #[must_use]
    pub const fn delete_is_logged(mut self) -> Self {
        self.delete_is_logged = true;
        self
    }

    /// Writes an event when an edit changes this top-level attribute, which is a text.
    #[must_use]
    pub const fn state_is_logged(mut self, attribute: &'static str) -> Self {
        self.logged_state = Some(attribute);
        self
    }

    /// Sets [`TypeSpec::default_rules`].
    #[must_use]
    pub const fn default_rules(mut self, rules: &'static [Rule]) -> Self {
        self.default_rules = Some(rules);
        self
    }

    /// Accepts numbers as text too.
    #[must_use]
    pub const fn numbers_as_text(mut self) -> Self {
        self.numbers_as_text = true;
        self
    }

    /// Rewrites new bodies first.
    #[must_use]
    pub const fn rework(mut self, rework: fn(&mut Map<String, Value>)) -> Self {
        self.rework = rework;
        self
    }

    /// Sets [`TypeSpec::form`].
    #[must_use]
    pub const fn asked_for_by(mut self, form: &'static Form) -> Self {
        self.form = Some(form);
        self
    }

    /// Sets [`TypeSpec::actions`].
    #[must_use]
    pub const fn actions(mut self, actions: &'static [Action]) -> Self {
        self.actions = actions;
        self
    }

    /// Sets [`TypeSpec::travels`].
    #[must_use]
    pub const fn travels(mut self) -> Self {
        self.travels = true;
        self
    }

    /// Sets [`TypeSpec::observed`].
    #[must_use]
    pub const fn observed(mut self, attributes: &'static [&'static str]) -> Self {
        self.observed = attributes;
        self
    }

    /// Sets [`TypeSpec::coalesces`].
    #[must_use]
    pub const fn coalesces(mut self) -> Self {
        self.coalesces = true;
        self
    }

    /// Sets [`TypeSpec::on_disk`].
    #[must_use]
    pub const fn kept_on_disk(mut self) -> Self {
        self.on_disk = true;
        self
    }

    /// Makes the type read-only, with documents that come with the program.
    #[must_use]
    pub const fn built_in(mut self, documents: fn() -> Vec<BuiltIn>) -> Self {
        self.served = Served::BuiltIn;
        self.verbs = Verbs::NONE;
        self.documents = documents;
        self
    }

    /// The `resourceURI` of the collection.
    #[must_use]
    pub fn collection_uri(&self) -> String {
        format!("{}Collection", self.uri)
    }

    /// All attributes that a client may send: the type's own, then the common ones it does not describe itself.
    pub fn attributes(&self) -> impl Iterator<Item = &'static Field> + use<> {
        let own = self.fields;
        let common = COMMON.iter().filter(move |common| own.iter().all(|field| field.name != common.name));
        own.iter().chain(common)
    }

    /// The action of this name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&'static Action> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// The attributes that answers must leave out.
    pub fn secrets(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.fields.iter().filter(|field| field.secret).map(|field| field.name)
    }

    /// The attributes of the event that tells of the deletion of `id`; it belongs to the administrators.
    #[must_use]
    pub fn deletion_event(id: &ResourceId, now: Timestamp) -> Map<String, Value> {
        event(id, now, ("action", "low"), "DELETED")
    }

    /// The attributes of the event that tells of the new state of `id`; whoever may see the resource may see it.
    #[must_use]
    pub fn state_event(id: &ResourceId, state: &str, now: Timestamp) -> Map<String, Value> {
        event(id, now, ("state", "medium"), state)
    }
}

fn event(id: &ResourceId, now: Timestamp, (kind, severity): (&str, &str), state: &str) -> Map<String, Value> {
    let event = json!({
        "timestamp": now.to_string(),
        "type": kind,
        "severity": severity,
        "content": { "resource": { "href": id.as_str() }, "state": state },
    });
    match event {
        Value::Object(attributes) => attributes,
        _ => Map::new(),
    }
}

fn leave(_: &mut Map<String, Value>) {}

fn no_documents() -> Vec<BuiltIn> {
    Vec::new()
}
