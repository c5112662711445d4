use super::*;

fn order(wanted: &Wanted) -> Vec<String> {
    let name = |step: &Step| format!("{} {} {}", step.group, step.job.name(), step.kind.name);
    steps(wanted).iter().map(name).collect()
}

fn wanted(rounds: usize, peer_rounds: usize, workload: &str) -> Wanted {
    Wanted {
        quick: false,
        rounds,
        peer_rounds,
        workloads: vec![workload.to_owned()],
        servers: Vec::new(),
    }
}

#[test]
fn the_floor_runs_between_two_and_the_order_turns() {
    assert_eq!(
        order(&wanted(2, 0, "steady")),
        [
            "0 steady greenroom-memory",
            "0 steady floor",
            "0 steady greenroom-durable",
            "1 steady greenroom-durable",
            "1 steady floor",
            "1 steady greenroom-memory",
        ]
    );
}

#[test]
fn peers_take_part_in_the_first_rounds() {
    let peers = |steps: Vec<String>| {
        let of_peer = |step: &&String| PEERS.iter().any(|peer| step.ends_with(peer));
        steps.iter().filter(of_peer).count()
    };
    assert_eq!(peers(order(&wanted(4, 2, "saturated"))), 2 * PEERS.len());
    assert_eq!(peers(order(&wanted(4, 2, "idle"))), PEERS.len());
    assert_eq!(peers(order(&wanted(4, 2, "acknowledgements"))), 0);
}

#[test]
fn stuck_readers_are_compared_with_none_on_the_same_server() {
    let mut wanted = wanted(1, 0, "stuck");
    wanted.servers = vec!["greenroom-durable".to_owned()];
    assert_eq!(
        order(&wanted),
        [
            "0 stuck greenroom-durable",
            "0 stuck-none greenroom-durable"
        ]
    );
}

#[test]
fn every_fan_out_is_a_workload() {
    for row in ROWS {
        if let Job::FanOut(name) = row.job {
            crate::workload::named(name).unwrap();
        }
    }
}
