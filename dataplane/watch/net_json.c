#include "dataplane/watch/net_json.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const tcp_names[TCP_COUNTERS] = {
    [TCP_IN_SEGMENTS] = "in_segments",
    [TCP_IN_FAST] = "in_fast",
    [TCP_IN_BAD_HEADER] = "in_bad_header",
    [TCP_IN_NO_FLOW] = "in_no_flow",
    [TCP_IN_OUT_OF_WINDOW] = "in_out_of_window",
    [TCP_IN_PAWS] = "in_paws",
    [TCP_IN_NO_TIMESTAMP] = "in_no_timestamp",
    [TCP_IN_BAD_ACK] = "in_bad_ack",
    [TCP_IN_DUPLICATE] = "in_duplicate",
    [TCP_IN_OUT_OF_ORDER] = "in_out_of_order",
    [TCP_IN_NO_PIECE] = "in_no_piece",
    [TCP_IN_RST] = "in_resets",
    [TCP_OUT_SEGMENTS] = "out_segments",
    [TCP_OUT_BYTES] = "out_bytes",
    [TCP_OUT_RETRANSMITS] = "out_retransmits",
    [TCP_OUT_RST] = "out_resets",
    [TCP_OUT_CHALLENGE] = "out_challenge_acks",
    [TCP_OUT_LIMITED] = "out_limited",
    [TCP_OPENED] = "opened",
    [TCP_CONNECTED] = "connected",
    [TCP_ADOPTED] = "adopted",
    [TCP_REFUSED] = "refused",
    [TCP_TIMEOUTS] = "timeouts",
    [TCP_RETRANSMIT_TIMEOUTS] = "retransmit_timeouts",
    [TCP_TAIL_PROBES] = "tail_probes",
    [TCP_FAST_RECOVERIES] = "fast_recoveries",
    [TCP_UNDONE] = "undone",
    [TCP_SYN_DROPPED] = "syn_dropped",
    [TCP_COOKIES_SENT] = "cookies_sent",
    [TCP_COOKIES_TAKEN] = "cookies_taken",
    [TCP_COOKIES_BAD] = "cookies_bad",
    [TCP_TIME_WAIT_EVICTED] = "time_wait_evicted",
    [TCP_TIME_WAIT_REUSED] = "time_wait_reused",
    [TCP_MTU_REDUCED] = "mtu_reduced",
    [TCP_IN_MARKED] = "in_marked",
    [TCP_ECN_REDUCED] = "ecn_reduced",
};

static const char *const net_names[NET_COUNTERS] = {
    [NET_IN_FRAMES] = "in_frames",
    [NET_IN_SEGMENTS] = "in_segments",
    [NET_IN_ARP] = "in_arp",
    [NET_IN_ND] = "in_nd",
    [NET_IN_ICMP] = "in_icmp",
    [NET_IN_SHORT] = "in_short",
    [NET_IN_BAD_HEADER] = "in_bad_header",
    [NET_IN_TRUNCATED] = "in_truncated",
    [NET_IN_BAD_CHECKSUM] = "in_bad_ip_checksum",
    [NET_IN_BAD_OPTIONS] = "in_bad_options",
    [NET_IN_FRAGMENT] = "in_fragments",
    [NET_IN_BAD_SOURCE] = "in_bad_source",
    [NET_IN_TCP_CHECKSUM] = "in_bad_tcp_checksum",
    [NET_IN_ICMP_CHECKSUM] = "in_bad_icmp_checksum",
    [NET_IN_UNREADY] = "in_unready",
    [NET_IN_PROTOCOL] = "in_other_protocol",
    [NET_OUT_FRAMES] = "out_frames",
    [NET_OUT_ECHO] = "out_echo",
    [NET_OUT_ERRORS] = "out_errors",
    [NET_OUT_LIMITED] = "out_limited",
    [NET_OUT_NO_FRAME] = "out_no_frame",
    [NET_OUT_NO_ROUTE] = "out_no_route",
    [NET_OUT_UNRESOLVED] = "out_unresolved",
    [NET_CONFLICTS] = "address_conflicts",
};

static void number(struct page_text *page, const char *name, uint64_t value)
{
    page_printf(page, ",\"%s\":%" PRIu64, name, value);
}

static void microseconds(struct page_text *page, const char *name, uint64_t ns)
{
    page_printf(page, ",\"%s\":%" PRIu64 ".%03" PRIu64, name, ns / 1000, ns % 1000);
}

static void counters(struct page_text *page, const char *name, const char *const *names,
                     const uint64_t *values, uint32_t count)
{
    page_printf(page, ",\"%s\":{", name);
    for (uint32_t i = 0; i < count; i++) {
        page_printf(page, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",", names[i] != NULL ? names[i] : "?",
                    values[i]);
    }
    page_printf(page, "}");
}

static void mac(struct page_text *page, const char *name, const struct mac *of)
{
    const uint8_t *b = of->bytes;
    page_printf(page, ",\"%s\":\"%02x:%02x:%02x:%02x:%02x:%02x\"", name, b[0], b[1], b[2], b[3],
                b[4], b[5]);
}

static void address(struct page_text *page, const char *name, const struct network_address *of)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *b = of->ip;
    page_printf(page, "\"%s\":\"", name);
    if (memcmp(b, mapped, sizeof(mapped)) == 0) {
        page_printf(page, "%u.%u.%u.%u:%u\"", b[12], b[13], b[14], b[15], of->port);
        return;
    }
    page_printf(page, "[");
    for (uint32_t i = 0; i < 16; i += 2) {
        page_printf(page, "%s%x", i == 0 ? "" : ":", load_be16(b + i));
    }
    page_printf(page, "]:%u\"", of->port);
}

static void offloads(struct page_text *page, const char *name, bool in, uint64_t bits)
{
    page_printf(page, ",\"%s\":[", name);
    bool first = true;
    for (uint64_t left = bits; left != 0; left &= left - 1) {
        page_printf(page, "%s\"%.40s\"", first ? "" : ",", nic_dpdk_offload(in, left & -left));
        first = false;
    }
    page_printf(page, "]");
}

static void port_tell(struct page_text *page, const struct nic_dpdk_report *report)
{
    page_printf(page, "\"port\":{\"device\":");
    page_quoted(page, report->device);
    page_printf(page, ",\"driver\":");
    page_quoted(page, report->driver);
    page_printf(page, ",\"interface\":");
    page_quoted(page, report->interface);
    page_printf(page, ",\"link\":\"%s\",\"duplex\":\"%s\"", report->link_up ? "up" : "down",
                report->full_duplex ? "full" : "half");
    number(page, "mbps", report->link_mbps);
    number(page, "mtu", report->mtu);
    page_printf(page, ",\"numa_node\":%d", report->numa_node);
    number(page, "queues", report->queues);
    number(page, "queues_max", report->queues_max);
    number(page, "in_descriptors", report->in_descriptors);
    number(page, "out_descriptors", report->out_descriptors);
    offloads(page, "in_offloads_offered", true, report->in_offered);
    offloads(page, "in_offloads_used", true, report->in_used);
    offloads(page, "out_offloads_offered", false, report->out_offered);
    offloads(page, "out_offloads_used", false, report->out_used);
    number(page, "in_frames", report->in_frames);
    number(page, "in_bytes", report->in_bytes);
    number(page, "out_frames", report->out_frames);
    number(page, "out_bytes", report->out_bytes);
    number(page, "missed", report->missed);
    number(page, "in_errors", report->in_errors);
    number(page, "out_errors", report->out_errors);
    number(page, "no_buffer", report->no_buffer);
    number(page, "buffers", report->buffers);
    number(page, "buffers_used", report->buffers_used);
    number(page, "headers_used", report->headers_used);
    number(page, "parts_used", report->parts_used);
    page_printf(page, ",\"deals\":%s,\"deal_entries\":%u,\"deal_table\":\"%s\",\"deal_key\":\"%s\"",
                report->deals ? "true" : "false", report->deal_entries,
                report->deal_table_ours ? "ours" : "the device's",
                report->deal_key_ours ? "ours" : "the device's");
    page_printf(page, "},");
}

void net_json_begin(struct page_text *page, const struct net_json_path *path,
                    const struct nic_dpdk_report *report)
{
    page_printf(page, "{\"path\":\"%s\",", report == NULL ? "sockets" : "dpdk");
    if (report == NULL) {
        page_printf(page,
                    "\"hint\":\"kernel sockets: the kernel has the connections, see "
                    "ss -tmi sport = :%u\",",
                    path->listen.port);
    }
    address(page, "listen", &path->listen);
    page_printf(page, ",\"dpdk_telemetry\":");
    page_quoted(page, path->telemetry);
    page_printf(page, ",");
    if (report != NULL) {
        port_tell(page, report);
    }
    page_printf(page, "\"cores\":[");
}

static void queue_tell(struct page_text *page, const struct survey *survey)
{
    const struct nic_counters *nic = &survey->nic;
    page_printf(page, ",\"queue\":{\"in_frames\":%" PRIu64, nic->in_frames);
    number(page, "in_bytes", nic->in_bytes);
    number(page, "in_dropped", nic->in_dropped);
    number(page, "in_other_vlan", nic->in_other_vlan);
    number(page, "in_hash_checked", nic->in_hash_checked);
    number(page, "in_hash_differs", nic->in_hash_differs);
    number(page, "out_frames", nic->out_frames);
    number(page, "out_bytes", nic->out_bytes);
    number(page, "out_copied_bytes", nic->out_copied_bytes);
    number(page, "out_full", nic->out_full);
    number(page, "out_refused", nic->out_refused);
    page_printf(page, "}");
}

static void usage_tell(struct page_text *page, const struct survey *survey)
{
    const struct tcp_setup *setup = &survey->setup;
    page_printf(page, ",\"used\":{\"connections\":[%u,%u]", survey->usage.connections,
                setup->connection_count_max);
    page_printf(page, ",\"half_open\":[%u,%u]", survey->usage.half_open,
                setup->half_open_count_max);
    page_printf(page, ",\"time_wait\":[%u,%u]", survey->usage.time_wait,
                setup->time_wait_count_max);
    page_printf(page, ",\"extents\":[%u,%u]", survey->usage.extents, setup->extent_count_max);
    page_printf(page, ",\"records\":[%u,%u]", survey->usage.records, setup->record_count_max);
    page_printf(page, ",\"pieces\":[%u,%u]", survey->usage.pieces, setup->piece_count_max);
    page_printf(page, ",\"pinned_bytes\":[%" PRIu64 ",%" PRIu64 "]}", survey->usage.pinned_bytes,
                setup->send_bytes_core_max);
}

static void states_tell(struct page_text *page, const struct survey *survey)
{
    page_printf(page, ",\"states\":{");
    for (uint32_t i = TCP_CLOSED + 1; i < TCP_STATES; i++) {
        page_printf(page, "%s\"%s\":%u", i == TCP_CLOSED + 1 ? "" : ",",
                    tcp_state_name((enum tcp_state)i), survey->states[i]);
    }
    page_printf(page, "}");
}

static void own_tell(struct page_text *page, const char *name, const char *conflict,
                     const struct net_own *own)
{
    static const char *const states[] = {"none", "probing", "ready", "conflict"};
    page_printf(page, ",\"%s\":\"%s\"", name, states[own->state]);
    if (own->state == NET_CONFLICT) {
        mac(page, conflict, &own->conflict_mac);
    }
}

void net_json_core(struct page_text *page, uint32_t core, const struct survey *survey, bool first)
{
    const struct nic_capabilities *can = &survey->capabilities;
    page_printf(page, "%s{\"core\":%u", first ? "" : ",", core);
    mac(page, "mac", &can->mac);
    number(page, "mtu", can->mtu);
    page_printf(page, ",\"checksums_by\":\"%s\",\"segments_by\":\"%s\"",
                (can->offloads & NET_OFFLOAD_TCP_CHECKSUM) != 0 ? "port" : "software",
                (can->offloads & NET_OFFLOAD_TSO) != 0 ? "port" : "software");
    number(page, "parts_max", can->parts_max);
    number(page, "port_tags_vlan", can->vlan);
    page_printf(page, ",\"wakes\":%s", can->wake_fd >= 0 ? "true" : "false");
    own_tell(page, "address", "conflict_with", &survey->v4);
    own_tell(page, "address6", "conflict6_with", &survey->v6);
    number(page, "neighbors", survey->neighbors);
    queue_tell(page, survey);
    usage_tell(page, survey);
    states_tell(page, survey);
    counters(page, "tcp", tcp_names, survey->tcp, TCP_COUNTERS);
    counters(page, "ip", net_names, survey->net, NET_COUNTERS);
    page_printf(page, "}");
}

void net_json_connections(struct page_text *page)
{
    page_printf(page, "],\"connections\":[");
}

void net_json_connection(struct page_text *page, uint32_t core, const struct tcp_info *info,
                         bool first)
{
    page_printf(page, "%s{", first ? "" : ",");
    address(page, "peer", &info->peer);
    page_printf(page, ",");
    address(page, "local", &info->local);
    number(page, "core", core);
    page_printf(page, ",\"state\":\"%s\",\"congestion\":\"%s\",\"recovery\":\"%s\"",
                tcp_state_name(info->state), info->congestion, info->recovery);
    page_printf(page, ",\"timestamps\":%s,\"sack\":%s", info->timestamps ? "true" : "false",
                info->sack ? "true" : "false");
    number(page, "send_scale", info->send_scale);
    number(page, "receive_scale", info->receive_scale);
    number(page, "mss", info->mss);
    number(page, "cwnd", info->cwnd);
    number(page, "ssthresh", info->ssthresh);
    microseconds(page, "srtt", info->rtt_ns);
    microseconds(page, "rttvar", info->rtt_variance_ns);
    microseconds(page, "rtt_min", info->rtt_min_ns);
    microseconds(page, "rto", info->rto_ns);
    number(page, "backoff", info->backoff);
    number(page, "in_flight", info->in_flight);
    number(page, "lost", info->lost);
    number(page, "sacked", info->sacked);
    number(page, "unsent", info->unsent);
    number(page, "pinned", info->pinned);
    number(page, "send_window", info->send_window);
    number(page, "receive_window", info->receive_window);
    number(page, "receive_buffer", info->receive_buffer);
    number(page, "receive_held", info->receive_held);
    number(page, "bytes_sent", info->bytes_sent);
    number(page, "bytes_acked", info->bytes_acked);
    number(page, "bytes_received", info->bytes_received);
    number(page, "segments_out", info->segments_out);
    number(page, "segments_in", info->segments_in);
    number(page, "retransmits", info->retransmits);
    number(page, "bytes_retransmitted", info->bytes_retransmitted);
    number(page, "timeouts", info->timeouts);
    number(page, "tail_probes", info->tail_probes);
    number(page, "fast_recoveries", info->fast_recoveries);
    number(page, "undone", info->undone);
    number(page, "out_of_order", info->out_of_order);
    number(page, "duplicates", info->duplicates);
    number(page, "duplicates_sent", info->duplicates_sent);
    number(page, "zero_windows", info->zero_windows);
    number(page, "reorder_steps", info->reorder_steps);
    page_printf(page, "}");
}

void net_json_end(struct page_text *page)
{
    page_printf(page, "]}\n");
}

void net_json_error(struct page_text *page, const char *reason)
{
    page_printf(page, "{\"error\":");
    page_quoted(page, reason);
    page_printf(page, "}\n");
}
