/* Connections being opened by peers: small half-open entries, and cookies when those run out
 * (RFC 4987). A whole connection exists from the third segment on. */
#ifndef DATAPLANE_TCP_SYN_H
#define DATAPLANE_TCP_SYN_H

#include "dataplane/tcp/connection.h"

/* A segment that belongs to no flow. iss: a first sequence number to use, 0: choose. Returns a
 * connection that a cookie proved, which then takes the segment; or NULL. */
struct tcp_connection *syn_input(struct tcp *tcp, const struct arrival *arrival, uint32_t iss,
                                 uint64_t now_ns);
/* A segment for a half-open entry. Returns the connection it became, which then takes it. */
struct tcp_connection *syn_half_open_input(struct tcp *tcp, struct half_open *half,
                                           const struct arrival *arrival, uint64_t now_ns);
/* A cookie may be out that is still believed. */
bool syn_cookies_out(const struct tcp *tcp, uint64_t now_ns);
void syn_timer_fire(struct tcp *tcp, struct half_open *half, uint64_t now_ns);
/* Forgets the half-open entries of a listener. */
void syn_drop_listener(struct tcp *tcp, uint32_t listener);

#endif
