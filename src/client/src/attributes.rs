//! The names of attributes in what a query asks for. Agents take unknown ones, because documents of other versions may have
//! them, and find nothing: people are told what they probably meant.

use std::collections::BTreeSet;

use mf2c_domain::filter::{self, Filter};
use mf2c_domain::nearest::nearest;
use mf2c_domain::resource::{SERVER_OWNED, TypeSpec};

use crate::ClientError;
use crate::args::QueryArgs;
use crate::output::clean;

/// What to tell about the names that are no attribute of the type, once for each.
pub(crate) fn unknown(args: &QueryArgs) -> Vec<String> {
    let mut named: BTreeSet<String> = args.select.iter().map(|path| top(path).to_owned()).collect();
    named.extend(args.order.iter().map(|entry| top(entry.split([':', '.']).next().unwrap_or(entry)).to_owned()));
    // A filter that cannot be read is refused by the agent, which says where it is wrong.
    for filter in args.filter.iter().filter_map(|text| filter::parse(text).ok()) {
        tops(&filter, &mut named);
    }
    named.iter().filter(|name| !name.is_empty()).filter_map(|name| about(name, args.kind)).collect()
}

/// Refuses a direction that there is not.
pub(crate) fn check_order(entries: &[String]) -> Result<(), ClientError> {
    for entry in entries {
        // Keys further down may have colons of their own.
        if let Some((name, direction)) = entry.split_once(':').filter(|(name, _)| !name.contains(['/', '.']))
            && !["asc", "desc"].contains(&direction)
        {
            let (name, direction) = (clean(name), clean(direction));
            let message = format!("`{direction}` is no direction of {name}, expected {name}:asc or {name}:desc");
            return Err(ClientError::Usage(message));
        }
    }
    Ok(())
}

fn top(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim()
}

fn tops(filter: &Filter, named: &mut BTreeSet<String>) {
    match filter {
        Filter::And(members) | Filter::Or(members) => members.iter().for_each(|member| tops(member, named)),
        Filter::Compare(comparison) => {
            named.insert(comparison.path.top().to_owned());
        }
    }
}

fn about(name: &str, spec: &TypeSpec) -> Option<String> {
    let own = || spec.attributes().map(|field| field.name).chain(SERVER_OWNED);
    let older = spec.attributes().filter_map(|field| field.alias).map(|alias| alias.name);
    if own().chain(older).any(|known| known == name) || name == "acl" {
        return None;
    }
    let hint = nearest(name, own()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Some(format!("`{}` is not an attribute of {}{hint}", clean(name), spec.name))
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn told(line: &str) -> Vec<String> {
        let program = QueryArgs::augment_args(Command::new("query"));
        unknown(&QueryArgs::from_arg_matches(&program.get_matches_from(line.split(' '))).unwrap())
    }

    #[test]
    fn a_name_that_is_no_attribute_is_told_with_the_one_that_was_meant() {
        let expected = ["`nmae` is not an attribute of service; did you mean `name`?"];
        for line in ["--order nmae:desc", "--select id,nmae", "--filter nmae=\"x\"ornmae=1", "--filter id=1and(nmae=1)"]
        {
            assert_eq!(told(&format!("query service {line}")), expected, "{line}");
        }
        let known = "query service --order created:desc,name --select id,acl,updated --filter memory_min>=1 --filter properties/a=1";
        assert_eq!(told(known), [""; 0]);
    }

    #[test]
    fn an_order_goes_up_or_down() {
        let check = |entry: &str| check_order(&[entry.to_owned()]);
        assert!(check("name").is_ok() && check("name:asc").is_ok() && check("properties/a:b").is_ok());
        assert_eq!(check("name:down").unwrap_err().code(), 2);
    }
}
