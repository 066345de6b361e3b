/* What net.c and net6.c have in common. For them alone. */
#ifndef DATAPLANE_NET_NET_PARTS_H
#define DATAPLANE_NET_NET_PARTS_H

#include "dataplane/net/net.h"

/* A frame of our own, empty; NULL: there is none. */
struct net_frame *net_frame_take(struct net *net);
void net_frame_send(struct net *net, struct net_frame *frame, const struct mac *to);
/* Frames whose neighbour answered go out, those whose neighbour did not are dropped. */
void net_frames_settle(struct net *net);

enum net_verdict net_drop(struct net *net, const struct packet_in *packet,
                          enum net_counter counter);
/* The sum of a segment's bytes over all its pieces. */
uint32_t net_segment_sum(const struct net_segment *segment);
/* True: no error or echo is to be sent now. */
bool net_limited(struct net *net, uint64_t now_ns);
bool net_tcp_sum_good(const struct net_segment *segment, uint16_t flags);
/* pseudo: of ICMPv6 its pseudo-header's sum, else 0. The buffers are given back, or go out. */
enum net_verdict net_icmp_input(struct net *net, struct net_segment *segment, uint32_t pseudo,
                                struct icmp_error *error, uint64_t now_ns);
/* Somebody else says that the address is his. */
void net_conflict(struct net *net, struct net_own *own, const struct mac *mac, uint64_t now_ns);
/* What a packet says of a neighbour, for us and the others of the addresses. */
void net_heard(struct net *net, const struct address *address, const struct mac *mac, uint8_t how,
               uint64_t now_ns);

/* ---- net6.c ---- */

/* Asks whether somebody has our address, or says that it is ours. */
void net6_announce(struct net *net, bool probing);
/* Asks for a neighbour. */
void net6_request(struct net *net, const struct neighbor_request *request);
/* A frame for our MAC or a group. */
enum net_verdict net6_input(struct net *net, const struct packet_in *packet, uint32_t l2_len,
                            struct net_segment *segment, struct icmp_error *error, uint64_t now_ns);

#endif
