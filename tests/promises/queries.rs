//! What a query chooses, in which order and which part of it: the vectors of the original, asked by curl over HTTPS.

use mf2c_tests::{Agent, Answer, Start, curl};
use serde_json::{Value, json};

const ADMIN: &str = "internal ADMIN";

/// A query with parameters that curl encodes.
fn query_as(agent: &Agent, who: &str, kind: &str, parameters: &[&str]) -> Answer {
    let mut arguments = ["-k", "-G", "-H", &format!("slipstream-authn-info: {who}")].map(str::to_owned).to_vec();
    arguments.push(format!("{}/{kind}", agent.api()));
    arguments.extend(parameters.iter().flat_map(|one| ["--data-urlencode".to_owned(), (*one).to_owned()]));
    curl(arguments)
}

fn query(agent: &Agent, kind: &str, parameters: &[&str]) -> Value {
    query_as(agent, ADMIN, kind, parameters).expect(200).json()
}

/// How many events the collection E has.
const NB: usize = 20;

/// The event collection of the original's tests.
fn with_events() -> Agent {
    let agent = Start::new().agent();
    let events: Vec<Value> = (0..NB)
        .map(|n| {
            json!({"timestamp": format!("2015-01-16T08:{n:02}:00.0Z"), "type": "state", "severity": "critical",
                "content": {"resource": {"href": format!("run/{n}")}, "state": "Started"}})
        })
        .collect();
    let answer = agent.send("POST", "event", Some(&json!(events).to_string())).expect(200);
    assert_eq!(answer.message(), format!("{NB} of {NB} created"));
    agent
}

fn hrefs(answer: &Value) -> Vec<&str> {
    answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["content"]["resource"]["href"].as_str().unwrap())
        .collect()
}

#[test]
fn pages_and_orders_are_those_of_the_original() {
    let agent = with_events();
    let ascending: Vec<String> = (0..NB).map(|n| format!("run/{n}")).collect();
    let descending: Vec<String> = ascending.iter().rev().cloned().collect();
    assert_eq!(hrefs(&query(&agent, "event", &[])), descending, "T70");
    assert_eq!(hrefs(&query(&agent, "event", &["$orderby=timestamp:asc"])), ascending, "T71");
    assert_eq!(hrefs(&query(&agent, "event", &["$orderby=timestamp"])), ascending, "T71");
    let rows: [(&str, &[&str], std::ops::Range<usize>); 14] = [
        ("T72", &["$first=10", "$last=5"], 0..0),
        ("T73", &["$first=3"], 2..NB),
        ("T73", &["$last=2"], 0..2),
        ("T73", &["$first=3", "$last=4"], 2..4),
        ("T74", &["$last=0"], 0..0),
        ("T74", &["$first=-1", "$last=10"], 0..10),
        ("T74", &["$last=-1"], 0..0),
        ("T74", &["$first=x", "$last=y"], 0..NB),
        ("T74", &["$last=x", "$last=3"], 0..3),
        ("T74", &["$first=21"], 0..0),
        ("T74", &["$first=20", "$last=99999999999999999999"], 19..NB),
        ("T74", &["first=3", "last=4"], 2..4),
        ("T74", &["$first=1", "$last=10000"], 0..NB),
        ("T74", &["$unknown=1", "$format=xml"], 0..NB),
    ];
    for (name, parameters, window) in rows {
        let answer = query(&agent, "event", parameters);
        assert_eq!(hrefs(&answer), descending[window], "{name}: {parameters:?}");
        assert_eq!(answer["count"], NB, "{name}: {parameters:?}");
        assert_eq!(answer["operations"], json!([{"rel": "add", "href": "event"}]), "{name}");
    }
    let (filter, last) = ("$filter=content/resource/href='run/5'", "$last=1");
    for parameters in [[filter, last], [last, filter]] {
        let answer = query(&agent, "event", &parameters);
        assert_eq!((&answer["count"], hrefs(&answer)), (&json!(1), vec!["run/5"]), "T75");
    }
    let last = query(&agent, "event", &[filter, "$last=0"]);
    assert_eq!((&last["count"], &last["events"]), (&json!(1), &json!([])), "T75");
}

#[test]
fn filters_choose_the_events_that_the_original_chooses() {
    let agent = with_events();
    let rows: [(&str, &[&str], usize); 20] = [
        ("F30", &["type='state'"], NB),
        ("F30", &["type!=null"], NB),
        ("F30", &["null!=type"], NB),
        ("F31", &["type='XXX'"], 0),
        ("F31", &["type=null"], 0),
        ("F31", &["type='state' and type='XXX'"], 0),
        ("F32", &["type='XXXX' or type='state'"], NB),
        ("F32", &["type='XXXX' or type='YYYY'"], 0),
        ("F33", &["type='state'", "type='XXX'"], 0),
        ("F33", &["type='state'", "content/resource/href='run/3'"], 1),
        ("F33", &["content/resource/href='run/3' or content/resource/href='run/4'", "type='state'"], 2),
        ("F34", &["type^='st'"], NB),
        ("F34", &["type^='stXXX'"], 0),
        ("F34", &["content/resource/href^='run/'"], NB),
        ("F34", &["content/resource/href^='run/1'"], 11),
        ("7.2", &["timestamp='2015-01-16T08:05:00Z'"], 1),
        ("7.2", &["timestamp=2015-01-16T09:05:00.0+01:00"], 1),
        ("7.2", &["timestamp>'2015-01-16T08:05:00.000Z'"], NB - 6),
        ("7.2", &["2015-01-16<timestamp", "timestamp<2015-02"], NB),
        ("7.2", &["created>\"2019-01-01T00:00:00.000Z\" and acl/owner/principal='ADMIN'"], NB),
    ];
    for (name, filters, count) in rows {
        let parameters: Vec<String> = filters.iter().map(|filter| format!("$filter={filter}")).collect();
        let answer = query(&agent, "event", &parameters.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(answer["count"], count, "{name}: {filters:?}");
        assert_eq!(answer["events"].as_array().unwrap().len(), count, "{name}: {filters:?}");
    }
}

fn service(name: &str, more: Value) -> Value {
    let mut service = json!({"name": name, "exec": "e", "exec_type": "docker", "agent_type": "normal"});
    service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service
}

fn names(answer: &Value) -> Vec<&str> {
    answer["services"].as_array().unwrap().iter().map(|service| service["name"].as_str().unwrap()).collect()
}

fn with_services(services: &[Value]) -> Agent {
    let agent = Start::new().agent();
    let answer = agent.send("POST", "service", Some(&json!(services).to_string())).expect(200);
    assert_eq!(answer.message(), format!("{0} of {0} created", services.len()), "{}", answer.text());
    agent
}

/// Documents 0 to 3 with `num_agents` for the sequence, `cpu_arch` on the first two and `os` on the others, which also
/// belong to jane.
fn four() -> Agent {
    let jane = json!({"owner": {"type": "ROLE", "principal": "ADMIN"},
        "rules": [{"type": "USER", "principal": "jane", "right": "VIEW"}]});
    let documents: Vec<Value> = (0..4)
        .map(|n| match n {
            0 | 1 => service(&n.to_string(), json!({"num_agents": n, "cpu_arch": "arm"})),
            _ => service(
                &n.to_string(),
                json!({"num_agents": n, "os": "linux", "acl": jane,
                "exec_ports": [80, 8000 + n], "properties": {"beta": n.to_string()}}),
            ),
        })
        .collect();
    with_services(&documents)
}

#[test]
fn filters_choose_the_documents_that_the_original_chooses() {
    let agent = four();
    let rows: [(&str, &str, &[&str]); 27] = [
        ("F35", "num_agents=2", &["2"]),
        ("F35", "num_agents!=2", &["0", "1", "3"]),
        ("F35", "num_agents>=2", &["2", "3"]),
        ("F35", "num_agents>1", &["2", "3"]),
        ("F35", "num_agents<2", &["0", "1"]),
        ("F35", "num_agents<=1", &["0", "1"]),
        ("F35", "1>=num_agents", &["0", "1"]),
        ("F35", "num_agents>0.5", &["1", "2", "3"]),
        ("F35", "num_agents='2'", &["2"]),
        ("F35", "num_agents<-1", &[]),
        ("F36", "cpu_arch!=null", &["0", "1"]),
        ("F36", "cpu_arch=null", &["2", "3"]),
        ("F37", "(num_agents=0 and cpu_arch!=null) or (num_agents=2 and cpu_arch=null)", &["0", "2"]),
        ("F37", "num_agents=0 or num_agents=1 and os='linux'", &["0"]),
        ("7.2", "os!='linux'", &["0", "1"]),
        ("7.2", "os='Linux'", &[]),
        ("7.2", "os^='li'", &["2", "3"]),
        ("7.2", "exec_ports=8003", &["3"]),
        ("7.2", "exec_ports>8000", &["2", "3"]),
        ("7.2", "exec_ports=null", &["0", "1"]),
        ("7.2", "missing<1 or missing>=1", &[]),
        ("7.2", "name>'1'", &["2", "3"]),
        ("7.2", "property['beta']='3'", &["3"]),
        ("7.2", "property['beta']=null", &["0", "1"]),
        ("7.2", "properties/beta!='3'", &["0", "1", "2"]),
        ("7.2", "name='\\2'", &["2"]),
        ("7.2", "num_agents=99999999999999999999", &[]),
    ];
    for (name, filter, expected) in rows {
        let answer = query(&agent, "service", &[&format!("$filter={filter}"), "$orderby=name"]);
        assert_eq!((&answer["count"], names(&answer)), (&json!(expected.len()), expected.to_vec()), "{name}: {filter}");
    }
    let seen = query_as(&agent, "jane USER", "service", &["$orderby=name"]).expect(200).json();
    assert_eq!((&seen["count"], names(&seen)), (&json!(2), vec!["2", "3"]), "F38");
    assert_eq!(names(&query(&agent, "service", &["$orderby=name"])), ["0", "1", "2", "3"], "F38");
}

#[test]
fn several_keys_order_and_missing_values_come_last() {
    let agent = with_services(&[
        service("a", json!({"num_agents": 2, "os": "linux"})),
        service("b", json!({"num_agents": 10, "os": "linux"})),
        service("c", json!({"num_agents": 1, "os": "mac", "properties": {"rank": "z"}})),
        service("d", json!({"os": "mac", "properties": {"rank": "y"}})),
        service("e", json!({"num_agents": 5})),
    ]);
    for (orders, expected) in [
        (&["os:desc,num_agents"][..], "cdabe"),
        (&["os:asc", "num_agents:desc"], "bacde"),
        (&[" os:desc , num_agents:desc "], "cdbae"),
        (&["num_agents"], "caebd"),
        (&["num_agents:desc"], "beacd"),
        (&["properties/rank,name"], "dcabe"),
        (&["properties.rank:desc,name:desc"], "cdeba"),
        // Only a trailing `:asc` or `:desc` is a direction; nothing has an attribute of this name.
        (&["os:dummy,name:desc"], "edcba"),
        (&[":asc,name:desc"], "edcba"),
        (&["", "unknown,name"], "abcde"),
    ] {
        let parameters: Vec<String> = orders.iter().map(|order| format!("$orderby={order}")).collect();
        let answer = query(&agent, "service", &parameters.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(names(&answer).concat(), expected, "T77: {orders:?}");
        assert_eq!(answer["count"], 5, "T77: {orders:?}");
    }
}

#[test]
fn a_selection_shows_what_it_names_and_what_identifies_the_document() {
    let agent = four();
    let keys = |parameters: &[&str]| {
        let answer = query(&agent, "service", &[parameters, &["$filter=name='2'"]].concat());
        let mut keys: Vec<String> = answer["services"][0].as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    let frame = "acl id num_agents os resourceURI";
    assert_eq!(keys(&["$select=os,num_agents"]), frame, "T76");
    assert_eq!(keys(&["$select= os ", "$select=num_agents,nothing"]), frame, "T76");
    assert_eq!(keys(&["$select=id"]), "acl id resourceURI");
    assert_eq!(keys(&["$select=operations"]), "acl id operations resourceURI");
    assert_eq!(keys(&["$select=os,*"]), keys(&[]));
    assert_eq!(keys(&["$select="]), keys(&[]));
    let answer = query(&agent, "service", &["$select=properties/beta,exec_ports", "$filter=name='3'"]);
    let found = &answer["services"][0];
    assert_eq!((&found["properties"], &found["exec_ports"]), (&json!({"beta": "3"}), &json!([80, 8003])));
    let id = found["id"].as_str().unwrap();
    let single = query(&agent, id, &["$select=name"]);
    assert_eq!((&single["name"], single.get("exec")), (&json!("3"), None));
}

#[test]
fn aggregations_are_computed_over_all_that_match() {
    let documents: Vec<Value> = (0..19)
        .map(|n| {
            let mut more = json!({"num_agents": n, "os": if n % 2 == 0 { "linux" } else { "mac" },
                "properties": {"n": n.to_string()}});
            if n % 2 == 0 {
                more["description"] = json!("even");
            }
            service(&n.to_string(), more)
        })
        .collect();
    let agent = with_services(&documents);
    let aggregate = |parameters: &[&str]| query(&agent, "service", parameters)["aggregations"].clone();

    let answer = aggregate(&[
        "$aggregation=min:num_agents, max:num_agents,sum:num_agents",
        "$aggregation=avg:num_agents,count:os,cardinality:os,missing:description",
        // Aggregations do not know of pages.
        "$last=1",
    ]);
    let values = json!({
        "min:num_agents": {"value": 0}, "max:num_agents": {"value": 18}, "sum:num_agents": {"value": 171},
        "avg:num_agents": {"value": 9}, "count:os": {"value": 19}, "cardinality:os": {"value": 2},
        "missing:description": {"doc_count": 9},
    });
    for (label, expected) in values.as_object().unwrap() {
        let (key, number) = expected.as_object().unwrap().iter().next().unwrap();
        assert_eq!(answer[label][key].as_f64(), number.as_f64(), "T79: {label}: {answer}");
    }
    assert_eq!(answer.as_object().unwrap().len(), 7, "T79: {answer}");

    let answer = aggregate(&["$aggregation=sum:num_agents,invalid,min:properties/child,nonsense:os,:os,sum:"]);
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 2, "T78: {answer}");
    assert!(answer.get("sum:num_agents").is_some() && answer.get("min:properties/child").is_some(), "T78: {answer}");

    let answer = aggregate(&["$aggregation=stats:num_agents,terms:os,percentiles:num_agents", "$filter=os='linux'"]);
    assert_eq!(answer["stats:num_agents"]["count"], 10);
    assert_eq!(answer["stats:num_agents"]["max"].as_f64(), Some(18.0));
    assert_eq!(answer["terms:os"]["buckets"], json!([{"key": "linux", "doc_count": 10}]));
    assert_eq!(answer["percentiles:num_agents"]["values"]["50.0"].as_f64(), Some(9.0));
    assert!(query(&agent, "service", &[]).get("aggregations").is_none());
}
