//! Tests of [`super`].

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The documents, as a history has left them.
#[derive(Default)]
struct Documents {
    devices: BTreeMap<String, Vec<u8>>,
    dynamics: BTreeMap<String, (Node, Vec<u8>)>,
    live: BTreeSet<Node>,
}

impl Documents {
    fn recount(&self) -> Option<Map<String, Value>> {
        let devices = self.devices.iter().map(|(id, body)| (id.as_str(), body.as_slice()));
        let dynamics = self.dynamics.iter().map(|(id, (node, body))| (id.as_str(), node.as_str(), body.as_slice()));
        recount("own", devices, dynamics, |node| self.live.contains(node))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Device(u8, Option<(f64, u64)>),
    Dynamic(u8, Option<(u8, u8, f64, bool)>),
    Live(u8, bool),
    Bury,
}

fn step() -> impl Strategy<Value = Step> {
    let device = proptest::option::weighted(0.8, (0.0..1e6, 1..64_u64));
    let dynamic = proptest::option::weighted(0.8, (0..4_u8, 0..6_u8, 0.0..100.0, any::<bool>()));
    prop_oneof![
        3 => (0..6_u8, device).prop_map(|(id, device)| Step::Device(id, device)),
        4 => (0..10_u8, dynamic).prop_map(|(id, dynamic)| Step::Dynamic(id, dynamic)),
        3 => (0..4_u8, any::<bool>()).prop_map(|(node, live)| Step::Live(node, live)),
        1 => Just(Step::Bury),
    ]
}

fn node(number: u8) -> Node {
    if number == 0 { "own".into() } else { format!("n{number}") }
}

fn take(step: Step, ledger: &mut Ledger, documents: &mut Documents) {
    match step {
        Step::Device(id, device) => {
            let id = format!("device/{id}");
            let body = device.map(|(memory, cores)| {
                let all = json!({"memory": memory, "storage": 5.5, "physicalCores": cores, "logicalCores": cores * 2});
                serde_json::to_vec(&all).unwrap()
            });
            ledger.device(&id, body.as_deref().and_then(DeviceFacts::read));
            match body {
                Some(body) => drop(documents.devices.insert(id, body)),
                None => drop(documents.devices.remove(&id)),
            }
        }
        Step::Dynamic(id, dynamic) => {
            let id = format!("device-dynamic/{id}");
            let body = dynamic.map(|(of, device, idle, up)| {
                let status = if up { "connected" } else { "unavailable" };
                let all = json!({"device": {"href": format!("device/{device}")}, "cpuFreePercent": idle,
                    "powerRemainingStatus": idle.to_string(), "status": status});
                (node(of), serde_json::to_vec(&all).unwrap())
            });
            ledger.dynamic(&id, body.as_ref().and_then(|(node, body)| Some((node.clone(), DynamicFacts::read(body)?))));
            match body {
                Some(body) => drop(documents.dynamics.insert(id, body)),
                None => drop(documents.dynamics.remove(&id)),
            }
        }
        Step::Live(number, live) => {
            let node = node(number);
            let known = if live { documents.live.insert(node.clone()) } else { documents.live.remove(&node) };
            assert_eq!(ledger.set_live(&node, live), known);
        }
        Step::Bury => {
            ledger.bury_all();
            documents.live.clear();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_happens_to_documents_and_agents_the_sums_are_those_of_a_recount(
        history in proptest::collection::vec(step(), 1..120),
    ) {
        let (mut ledger, mut documents) = (Ledger::new("own".into()), Documents::default());
        for step in history {
            take(step, &mut ledger, &mut documents);
            let texts = [ledger.sums(), documents.recount()].map(|all| serde_json::to_string(&all).unwrap());
            prop_assert_eq!(&texts[0], &texts[1]);
        }
    }
}

#[test]
fn a_device_counts_once_however_many_documents_are_about_it_and_only_while_its_agent_is_in_touch() {
    let (mut ledger, mut documents) = (Ledger::new("own".into()), Documents::default());
    let mut all = vec![Step::Device(0, Some((10.0, 1)))];
    all.extend((0..5).map(|id| Step::Dynamic(id, Some((1, 0, 50.0, true)))));
    all.into_iter().for_each(|step| take(step, &mut ledger, &mut documents));
    assert_eq!(ledger.sums(), None);
    ledger.set_live("n1", true);
    assert_eq!(ledger.sums().unwrap()["numDevices"], 1);
    ledger.set_live("n1", false);
    assert_eq!(ledger.sums(), None);
}
