//! Shell completions: small scripts that ask the program itself, which knows commands, flags, types and their attributes.

use clap::{Arg, ArgAction, Command};
use mf2c_domain::resource::{self, TypeSpec};

use crate::args::Shell;

/// Attributes that every document has besides those of its type.
const SERVED: [&str; 3] = ["id", "created", "updated"];

const BASH: &str = r#"# mf2c completions for bash
_mf2c() {
    local line words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <("${COMP_WORDS[0]}" complete -- "${words[@]}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/,:] ]]; then
        compopt -o nospace
    fi
}
complete -o default -F _mf2c mf2c
"#;

const ZSH: &str = r#"#compdef mf2c
# mf2c completions for zsh
_mf2c() {
    local -a found joined
    found=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    found=(${found:#})
    if (( ! ${#found} )); then
        _files
        return
    fi
    joined=(${(M)found:#*[=/,:]})
    found=(${found:#*[=/,:]})
    (( ${#joined} )) && compadd -S '' -- $joined
    (( ${#found} )) && compadd -- $found
}
if [[ $funcstack[1] == _mf2c ]]; then
    _mf2c "$@"
else
    compdef _mf2c mf2c
fi
"#;

const FISH: &str = r#"# mf2c completions for fish
function __mf2c_complete
    set -l line (commandline -opc) (commandline -ct)
    command $line[1] complete -- $line[2..-1] 2>/dev/null
end
complete -c mf2c -a '(__mf2c_complete)'
"#;

/// What a shell reads.
pub(crate) fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
    }
}

/// What may stand in the place of the last word, given the words before it. Nothing means that files may.
pub(crate) fn candidates(program: &Command, words: &[String]) -> Vec<String> {
    let (words, split) = rejoined(words);
    let (current, before) = words.split_last().map_or(("", &words[..]), |(last, before)| (last.as_str(), before));
    let mut found = Line::read(program, before).expected(current);
    found.retain(|candidate| candidate.starts_with(current));
    found.sort();
    found.dedup();
    if split {
        // The shell completes what stands behind the sign.
        let behind = |candidate: &String| candidate.split_once('=').map(|(_, value)| value.to_owned());
        found = found.iter().filter_map(behind).collect();
    }
    found
}

/// The words with `key`, `=`, `value` as one again, and whether the last was split so: bash breaks words at that sign.
fn rejoined(words: &[String]) -> (Vec<String>, bool) {
    let mut joined: Vec<String> = vec![];
    let (mut open, mut split) = (false, false);
    for word in words {
        split = open || word == "=";
        match joined.last_mut() {
            Some(last) if split => last.push_str(word),
            _ => joined.push(word.clone()),
        }
        open = word == "=";
    }
    (joined, split)
}

/// What the words before the one to complete say.
struct Line<'a> {
    command: &'a Command,
    /// The flag that waits for its value.
    pending: Option<&'a Arg>,
    /// The positional arguments so far.
    given: Vec<&'a str>,
    spec: Option<&'static TypeSpec>,
}

impl<'a> Line<'a> {
    fn read(program: &'a Command, words: &'a [String]) -> Self {
        let mut line = Self { command: program, pending: None, given: vec![], spec: None };
        for word in words {
            if line.pending.take().is_some() {
                continue;
            }
            if word.starts_with('-') && word.len() > 1 {
                let flag = line.flag(word);
                line.pending = flag.filter(|flag| takes_value(flag) && !word.contains('='));
            } else if let Some(next) = line.subcommand(word) {
                line.command = next;
            } else {
                line.given.push(word);
                let kind = word.split('/').next().unwrap_or(word);
                line.spec = line.spec.or_else(|| resource::find(kind));
            }
        }
        line
    }

    fn subcommand(&self, word: &str) -> Option<&'a Command> {
        self.given.is_empty().then(|| self.command.find_subcommand(word)).flatten()
    }

    fn flag(&self, word: &str) -> Option<&'a Arg> {
        let name = word.split('=').next().unwrap_or(word);
        self.command.get_arguments().find(|arg| match name.strip_prefix("--") {
            Some(long) => arg.get_long() == Some(long),
            None => arg.get_short() == name.chars().nth(1),
        })
    }

    fn expected(&self, current: &str) -> Vec<String> {
        if let Some(flag) = self.pending {
            return self.values(flag, current);
        }
        if current.starts_with('-') {
            if let Some((name, _)) = current.split_once('=') {
                let values =
                    self.flag(name).map(|flag| self.values(flag, current.split_once('=').map_or("", |it| it.1)));
                return values.unwrap_or_default().iter().map(|value| format!("{name}={value}")).collect();
            }
            let longs = self.command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(Arg::get_long);
            return longs.chain(["help"]).map(|long| format!("--{long}")).collect();
        }
        if self.given.is_empty() && self.command.has_subcommands() {
            let shown = self.command.get_subcommands().filter(|command| !command.is_hide_set());
            return shown.map(|command| command.get_name().to_owned()).collect();
        }
        let places: Vec<&Arg> = self.command.get_positionals().collect();
        let repeated = places.last().filter(|last| matches!(last.get_action(), ArgAction::Append));
        let place = places.get(self.given.len()).or(repeated);
        place.map(|place| self.values(place, current)).unwrap_or_default()
    }

    /// The values that an argument may take.
    fn values(&self, arg: &Arg, current: &str) -> Vec<String> {
        let possible = arg.get_possible_values();
        if !possible.is_empty() {
            return possible.iter().map(|value| value.get_name().to_owned()).collect();
        }
        let types = || resource::all().iter().map(|spec| spec.name);
        match arg.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()) {
            Some("TYPE") => types().map(str::to_owned).collect(),
            Some("TYPE/NAME") => types().map(|name| format!("{name}/")).collect(),
            Some("TYPES") => behind_comma(current, types()),
            Some("ATTRIBUTES") => behind_comma(current, self.attributes()),
            Some("FILTER") => self.attributes().map(str::to_owned).collect(),
            Some("ACTION") => {
                let actions = self.spec.into_iter().flat_map(|spec| spec.actions);
                actions.map(|action| action.name.to_owned()).collect()
            }
            Some("CHECK") => ["http:", "tcp:", "exec:"].map(str::to_owned).to_vec(),
            Some("sla-template/ID") => vec!["sla-template/".to_owned()],
            Some("KEY=VALUE") => self.assignments(current),
            _ => vec![],
        }
    }

    fn attributes(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.spec.into_iter().flat_map(|spec| spec.attributes().map(|field| field.name).chain(SERVED))
    }

    fn assignments(&self, current: &str) -> Vec<String> {
        use resource::kind::Kind;
        let Some((name, _)) = current.split_once('=') else {
            let own = self.spec.into_iter().flat_map(TypeSpec::attributes);
            return own.map(|field| format!("{}=", field.name)).collect();
        };
        let field = self.spec.and_then(|spec| spec.attributes().find(|field| field.name == name));
        let words: &[&str] = match field.map(|field| field.kind) {
            Some(Kind::OneOf(words)) => words,
            Some(Kind::Bool) => &["true", "false"],
            _ => &[],
        };
        words.iter().map(|word| format!("{name}={word}")).collect()
    }
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

/// Words of a list with commas: what stands before the last comma stays.
fn behind_comma<'a>(current: &str, words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let kept = current.rfind(',').map_or("", |at| &current[..=at]);
    words.map(|word| format!("{kept}{word}")).collect()
}

#[cfg(test)]
mod tests {
    use clap::Subcommand as _;

    use super::*;
    use crate::ClientCommand;

    fn exec_types() -> Vec<&'static str> {
        vec!["compss", "docker", "docker-compose", "docker-compose-swarm", "docker-swarm", "kubernetes", "process"]
    }

    fn after(line: &str) -> Vec<String> {
        let program = ClientCommand::augment_subcommands(Command::new("mf2c"));
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        candidates(&program, &words)
    }

    #[test]
    fn commands_flags_types_and_attributes_are_completed_where_they_can_stand() {
        for (line, expected) in [
            ("who", vec!["whoami"]),
            ("user pas", vec!["passwd"]),
            ("user key re", vec!["revoke"]),
            ("query device-", vec!["device-dynamic"]),
            ("get sla-", vec!["sla-episode/", "sla-penalty/", "sla-template/", "sla-violation/", "sla-warning/"]),
            ("query service --order exec_t", vec!["exec_type"]),
            ("query service --order name,upd", vec!["name,update", "name,updated"]),
            ("query service --select=num_a", vec!["--select=num_agents"]),
            ("query service --wat", vec!["--watch"]),
            ("query service -o y", vec!["yaml"]),
            ("create service memory_m", vec!["memory_min="]),
            ("create service exec_type=docker-c", vec!["exec_type=docker-compose", "exec_type=docker-compose-swarm"]),
            ("create service exec_type = docker-s", vec!["docker-swarm"]),
            ("create service exec_type =", exec_types()),
            ("create service name = x memory_m", vec!["memory_min="]),
            ("edit service/1 num_agents=2 exec_p", vec!["exec_ports="]),
            ("events --types device,sla-v", vec!["device,sla-violation"]),
            ("action webhook/1 r", vec!["rotate-secret"]),
            ("completions f", vec!["fish"]),
            ("login --ca ", vec![]),
            ("compl", vec!["completions"]),
            ("serv", vec!["service"]),
            ("service reg", vec!["register"]),
            ("service register --health t", vec!["tcp:"]),
            ("service register --restart o", vec!["on-failure"]),
            ("run hello --tem", vec!["--template"]),
            ("run hello --template ", vec!["sla-template/"]),
            ("logs --fo", vec!["--follow"]),
        ] {
            assert_eq!(after(line), expected, "{line}");
        }
        assert!(after("").contains(&"query".to_owned()) && !after("").contains(&"complete".to_owned()));
    }
}
