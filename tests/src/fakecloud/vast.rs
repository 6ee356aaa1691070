//! Vast's dialect, as its documents and its own command-line tool have it.

use std::collections::BTreeMap;

use farwarp_provisioner::clock::Clock;
use serde_json::{Value, json};

use super::http::{Reply, Request};
use super::machine::Machine;
use super::world::{Made, Offer, Wanted, World, error, text};

/// The API's own limits on what a create may hold.
const COMMAND_CHARS_MAX: usize = 4096;
const VARIABLE_CHARS_MAX: usize = 256;
const LABEL_CHARS_MAX: usize = 256;
const PAGE_MAX: usize = 25;

pub fn answer(world: &mut World, request: &Request) -> Reply {
    let key = request.authorization.strip_prefix("Bearer ").unwrap_or_default();
    let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    let method = request.method.as_str();
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    // A machine's own key ends that machine and does nothing else.
    if let ("DELETE", ["api", "v0", "instances", id]) = (method, &parts[..]) {
        let own = world.machines.get(&number(id)).is_some_and(|machine| machine.key == key);
        return if own || key == world.account_key { destroy(world, number(id)) } else { denied() };
    }
    if let ("GET", ["logs", id]) = (method, &parts[..]) {
        let log = world.machines.get(&number(id)).map(Machine::log);
        let bytes = log.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        return Reply::Bytes(bytes);
    }
    if key != world.account_key {
        return denied();
    }
    match (method, &parts[..]) {
        ("GET", ["api", "v0", "users", "current"]) => {
            Reply::Json(200, json!({ "id": 7, "username": "a-test", "credit": world.credit_dollars }))
        }
        ("POST", ["api", "v0", "bundles"]) => search(world, &request.body),
        ("PUT", ["api", "v0", "asks", id]) => create(world, number(id), &request.body),
        ("GET", ["api", "v0", "instances", id]) => show(world, number(id)),
        ("GET", ["api", "v1", "instances"]) => list(world, &request.query),
        ("PUT", ["api", "v0", "instances", "request_logs", id]) => {
            Reply::Json(200, json!({ "success": true, "result_url": format!("{}/logs/{id}", world.url) }))
        }
        _ => error(404, "not_found", "no such place"),
    }
}

fn denied() -> Reply {
    error(401, "auth_error", "Invalid user key")
}

/// Whether a field of an offer is what a condition of the query demands.
fn holds(field: &Value, condition: &Value) -> bool {
    let Some((operator, wanted)) = condition.as_object().and_then(|object| object.iter().next()) else {
        return true;
    };
    let order = || field.as_f64().unwrap_or(f64::NAN).partial_cmp(&wanted.as_f64().unwrap_or(f64::NAN));
    match operator.as_str() {
        "eq" => field == wanted,
        "in" => wanted.as_array().is_some_and(|wanted| wanted.contains(field)),
        "gt" | "gte" | "lt" | "lte" => order().is_some_and(|order| match operator.as_str() {
            "gt" => order.is_gt(),
            "gte" => order.is_ge(),
            "lt" => order.is_lt(),
            _ => order.is_le(),
        }),
        _ => false,
    }
}

fn search(world: &mut World, query: &Value) -> Reply {
    world.searches += 1;
    if world.faults.huge {
        return Reply::Bytes(vec![b' '; 9 << 20]);
    }
    let mut offers: Vec<Value> = world.offers.iter().map(|offer| shown(offer, query)).collect();
    for (field, condition) in query.as_object().into_iter().flatten() {
        if condition.is_object() {
            offers.retain(|offer| offer.get(field).is_none_or(|value| holds(value, condition)));
        }
    }
    Reply::Json(200, json!({ "offers": offers }))
}

fn shown(offer: &Offer, query: &Value) -> Value {
    let dollars = offer.micro_dollars_per_hour as f64 / 1e6;
    json!({
        "id": offer.id, "ask_contract_id": offer.id, "machine_id": offer.machine, "host_id": 9,
        "gpu_name": offer.gpu, "num_gpus": 1, "gpu_ram": offer.vram_mb, "cpu_ram": 64_000, "compute_cap": 890,
        "driver_version": "570.1", "cuda_max_good": offer.cuda, "dph_base": dollars, "dph_total": dollars,
        "min_bid": dollars / 2.0, "is_bid": query["type"] == "bid", "inet_up_cost": 0.0, "inet_down_cost": 0.0,
        "reliability": 0.99, "reliability2": 0.99, "direct_port_count": 20, "geolocation": "Sweden, SE",
        "verification": "verified", "verified": true, "rentable": true, "rented": false,
    })
}

fn create(world: &mut World, offer: u64, body: &Value) -> Reply {
    let environment: BTreeMap<String, String> = body["env"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let command: Vec<String> = body["args"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|word| word.as_str().unwrap_or_default().into())
        .collect();
    let label = text(body, "label");
    let too_long = command.iter().map(String::len).sum::<usize>() > COMMAND_CHARS_MAX
        || environment.values().any(|value| value.len() > VARIABLE_CHARS_MAX)
        || label.len() > LABEL_CHARS_MAX;
    let maps_udp = environment.keys().any(|name| name.starts_with("-p ") && name.ends_with("/udp"));
    if too_long || text(body, "image").is_empty() || body["runtype"] != "args" || !maps_udp {
        return error(400, "invalid_args", "a field is missing or too long");
    }
    let bid = body["price"].as_f64().map(|dollars| (dollars * 1e6).round() as u64);
    // Variables whose name begins so are docker's own arguments.
    let environment = environment.into_iter().filter(|(name, _)| !name.starts_with('-')).collect();
    match world.create(Wanted { offer, label, bid, command, environment }) {
        Made::Well(id, key) => {
            Reply::Json(200, json!({ "success": true, "new_contract": id, "instance_api_key": key }))
        }
        Made::Silently => Reply::Cut,
        Made::Unclear => error(502, "bad_gateway", "the upstream did not answer"),
        Made::Badly(id) => Reply::Json(
            400,
            json!({ "success": false, "error": "bid_too_low", "msg": "created stopped", "new_contract": id }),
        ),
        Made::Nothing => error(410, "no_such_ask", "the offer is not available any more"),
    }
}

fn instance(id: u64, machine: &mut Machine) -> Value {
    let runs = machine.runs();
    let state = match (machine.stuck, runs) {
        _ if machine.taken_away => "stopped",
        (true, _) => "loading",
        (false, true) => "running",
        (false, false) => "exited",
    };
    let wanted = if machine.taken_away { "stopped" } else { "running" };
    json!({
        "id": id, "label": machine.label, "actual_status": state, "cur_state": wanted, "next_state": wanted,
        "intended_status": wanted, "status_msg": if machine.stuck { "pulling the image" } else { "" },
        "public_ipaddr": "127.0.0.1\n", "machine_id": 100 + machine.offer,
        "ports": { "4433/udp": [{ "HostIp": "0.0.0.0", "HostPort": machine.port.to_string() }] },
    })
}

fn show(world: &mut World, id: u64) -> Reply {
    match world.machines.get_mut(&id).filter(|machine| machine.exists()) {
        Some(machine) => Reply::Json(200, json!({ "instances": instance(id, machine) })),
        None => Reply::Json(200, json!({ "instances": null })),
    }
}

fn list(world: &mut World, query: &str) -> Reply {
    let after = query.split('&').find_map(|pair| pair.strip_prefix("after_token="));
    let after: u64 = after.and_then(|token| token.parse().ok()).unwrap_or(0);
    let (now, lag) = (world.clock.now(), world.faults.list_lag_ms);
    let visible = |(id, machine): &(&u64, &mut Machine)| {
        **id > after && machine.exists() && now >= machine.made_at_ms + lag
    };
    let mut shown: Vec<(u64, Value)> = world
        .machines
        .iter_mut()
        .filter(visible)
        .map(|(id, machine)| (*id, instance(*id, machine)))
        .collect();
    let more = shown.len() > PAGE_MAX;
    shown.truncate(PAGE_MAX);
    let next = shown.last().filter(|_| more).map(|(id, _)| id.to_string());
    let instances: Vec<Value> = shown.into_iter().map(|(_, value)| value).collect();
    Reply::Json(200, json!({ "instances": instances, "next_token": next }))
}

fn destroy(world: &mut World, id: u64) -> Reply {
    match world.destroy(id) {
        Some(true) => Reply::Json(200, json!({ "success": true })),
        Some(false) => error(500, "internal", "try again"),
        None => error(404, "no_such_instance", "there is no such instance"),
    }
}
