//! What lies in the kernel on the way to a client: the send queue of the server's side of its connection.

use std::fs;

/// Bytes that the server has written and the client's kernel has not confirmed, by the client's port.
pub fn send_queues(server_port: u16) -> Vec<(u16, u64)> {
    queues(
        &fs::read_to_string("/proc/net/tcp").unwrap_or_default(),
        server_port,
    )
}

/// Reads the table: `sl local remote state tx:rx …`, all hexadecimal.
fn queues(table: &str, server_port: u16) -> Vec<(u16, u64)> {
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (local, remote) = (words.next()?, words.next()?);
            let (sent, _) = words.nth(1)?.split_once(':')?;
            (port(local)? == server_port).then_some((port(remote)?, u64::from_str_radix(sent, 16).ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_side_of_a_connection_is_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr\n   \
            0: 0100007F:0FA0 0100007F:C350 01 00004000:00000000 01:00000014 00000000  0 0 1 2\n   \
            1: 0100007F:C350 0100007F:0FA0 01 00000001:00010000 00:00000000 00000000  0 0 1 2\n";
        assert_eq!(queues(table, 4000), vec![(50_000, 0x4000)]);
    }
}
