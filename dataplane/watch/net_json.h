/* What `millrace net -o json` prints, as the dataplane answers it.
 *
 * Times are in microseconds, sizes in bytes. Pure; any thread.
 */
#ifndef DATAPLANE_WATCH_NET_JSON_H
#define DATAPLANE_WATCH_NET_JSON_H

#include "dataplane/nic/nic_dpdk.h"
#include "dataplane/stack/survey.h"
#include "dataplane/watch/page_text.h"

/* What is said of the path as a whole. */
struct net_json_path {
    const char *telemetry; /* DPDK's socket; "": none. */
    struct network_address listen;
};

/* "{" with everything of the port, up to the list of cores. report NULL: kernel sockets. */
void net_json_begin(struct page_text *page, const struct net_json_path *path,
                    const struct nic_dpdk_report *report);
/* A core and what it counts, from its page; the first one before any connection. */
void net_json_core(struct page_text *page, uint32_t core, const struct survey *survey, bool first);
/* Between the cores and the connections. */
void net_json_connections(struct page_text *page);
void net_json_connection(struct page_text *page, uint32_t core, const struct tcp_info *info,
                         bool first);
void net_json_end(struct page_text *page);

/* {"error": reason} */
void net_json_error(struct page_text *page, const char *reason);

#endif
