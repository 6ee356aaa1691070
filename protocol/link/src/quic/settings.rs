//! How QUIC is tuned, each number with its reason. Gate, worker and client share these.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::congestion::CubicConfig;
use quinn_proto::{
    AckFrequencyConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt,
};

use super::acknowledged::Acknowledged;

/// Twice the bytes in flight on 20 ms at 1 Gbit/s are 5 MB; more leaves room for 10 Gbit/s in a data centre.
pub const STREAM_WINDOW_BYTES: u32 = 16 << 20;
/// Data written and not yet acknowledged; `write` takes nothing beyond it.
pub const SEND_WINDOW_BYTES: u64 = 16 << 20;

/// What every path of QUIC carries. Discovery goes up from here within a few round trips.
const FIRST_MTU_BYTES: u16 = 1200;
/// A jumbo frame of 9000 bytes less IPv6 and UDP headers; loopback reaches it too.
pub const MTU_BYTES_MAX: u16 = 8952;
/// A receiver must announce what it can take. The first packet may not reach 16 KiB, discovered sizes may.
const DATAGRAM_BYTES_MAX: u16 = 65_000;
/// One packet larger than the window would never leave.
const FIRST_WINDOW_BYTES: u64 = 10 * MTU_BYTES_MAX as u64;

/// Fewer acknowledgements cost the sender nothing and the receiver less.
const PACKETS_PER_ACK: u32 = 10;
/// How long an acknowledgement may wait for those packets.
const ACK_DELAY: Duration = Duration::from_millis(2);

/// Heartbeats of a connection that is otherwise still.
pub const KEEP_ALIVE_MAX: Duration = Duration::from_secs(5);
/// A connection is dead when nothing was heard for so long, unless a short grace asks for less.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Below it, a stopped scheduler would look like a dead peer.
const SILENCE_MIN: Duration = Duration::from_secs(4);

/// When a connection counts as dead, for a session that outlives it by `resume_grace`: with a grace of seconds, seconds.
pub fn silence_for(resume_grace: Duration) -> Duration {
    (2 * resume_grace).clamp(SILENCE_MIN, SILENCE_MAX)
}

/// How often a still connection shows that it lives.
pub fn keep_alive_for(silence: Duration) -> Duration {
    (silence / 4).min(KEEP_ALIVE_MAX)
}

/// Settings of one connection. `streams` is how many bidirectional streams the peer may open.
pub fn transport(silence: Duration, streams: u8) -> Arc<TransportConfig> {
    transport_counted(silence, streams).0
}

/// The same, and how often what one connection with them has sent was acknowledged anew.
pub fn transport_counted(silence: Duration, streams: u8) -> (Arc<TransportConfig>, Acknowledged) {
    let mut cubic = CubicConfig::default();
    cubic.initial_window(FIRST_WINDOW_BYTES);
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(MTU_BYTES_MAX);
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(PACKETS_PER_ACK.into()).max_ack_delay(Some(ACK_DELAY));
    let idle = IdleTimeout::try_from(silence).expect("a silence of seconds fits into QUIC's milliseconds");

    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from(streams))
        .max_concurrent_uni_streams(VarInt::from(0u8))
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(keep_alive_for(silence)))
        .stream_receive_window(VarInt::from(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from(2 * STREAM_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        .initial_mtu(FIRST_MTU_BYTES)
        .mtu_discovery_config(Some(discovery))
        .ack_frequency_config(Some(acks));
    let acknowledged = Acknowledged::count(&mut config, cubic);
    (Arc::new(config), acknowledged)
}

/// Settings of an endpoint: nothing but the size of what it can receive, and its key for stateless resets.
pub fn endpoint(reset_key: &[u8; 32]) -> EndpointConfig {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, reset_key);
    let mut config = EndpointConfig::new(Arc::new(key));
    config.max_udp_payload_size(DATAGRAM_BYTES_MAX).expect("65,000 is between 1,200 and 65,527");
    config
}
