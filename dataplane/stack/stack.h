/* The bypass path of one core: transport.h over our own TCP, and TCP over a port (nic/nic.h).
 *
 *     stack_receive_turn   frames -> TCP -> the user, timers
 *     stack_send_turn      what the user has sent and TCP has to say -> frames
 *
 * Received bytes are lent to the user in the port's buffers; giving them back opens the window.
 * Sent parts go out by reference and come back (on_sent) when the peer has acknowledged them and
 * the port is done with them. A connection that the user closes is over for him once everything
 * sent is acknowledged; its end is then TCP's own affair.
 *
 * Several stacks serve one address when they share a spread: each has the flows that its core took
 * in, and frames of others go to those who have them.
 *
 * Pure: no clock, no I/O of its own, no allocation after stack_create. Threads: the core's.
 */
#ifndef DATAPLANE_STACK_STACK_H
#define DATAPLANE_STACK_STACK_H

#include "dataplane/stack/exception.h"
#include "dataplane/stack/spread.h"

enum {
    STACK_SENDS_MAX = 128,     /* Sends that wait on one connection. */
    STACK_SEND_PARTS_MAX = 64, /* Parts of one send. */
};

struct stack;

/* What is called, beside struct transport_user, where connections are opened. */
struct stack_opener {
    /* It is open, on this core. Returns the user's handle, or NULL to refuse: it is reset. */
    void *(*on_opened)(void *context, struct transport_connection *connection,
                       const struct network_address *peer, const struct network_address *local,
                       uint64_t token);
    /* There is no connection: it was refused, nobody answers, or there was no slot for it. */
    void (*on_unopened)(void *context, uint64_t token, enum transport_close_reason reason);
};

/* All pointers are borrowed for the life of the stack. */
struct stack_setup {
    struct nic *nic;
    struct spread_core *spread; /* NULL: the address is this core's alone. */
    const struct transport_user *user;
    void *user_context;
    const struct stack_opener *opener; /* NULL: stack_open is not called, on no core. */
    uint32_t v4;                       /* Host order; 0: none, then there is v6. */
    uint8_t prefix_bits;
    struct address v6; /* Zero: none. */
    uint8_t prefix_bits_v6;
    struct address gateway_v6;           /* Zero: as gateway_v4. */
    const struct congestion *congestion; /* NULL: CUBIC. DCTCP asks for ECN, too. */
    uint16_t vlan;                       /* Of every frame; 0: untagged. */
    uint32_t gateway_v4;                 /* 0: nobody beyond the prefix is reached. */
    bool probe_v4;                       /* Ask whether somebody has it, before using it (3 s). */
    bool probe_v6;                       /* The same (1 s), as RFC 4862 wants it. */
    uint64_t secret[4];                  /* Random; of this boot. The same for all of a spread. */
    uint32_t connection_count_max;       /* With those that are still ending. */
    uint32_t receive_buffer_count; /* Received buffers that may be held, with those the user has. */
};

struct stack_counters {
    uint64_t open; /* Now, as the user knows them. */
    uint64_t accepted;
    uint64_t opened;  /* By stack_open, of whichever core. */
    uint64_t refused; /* No slot, or the user said no. */
    uint64_t reset;
    uint64_t timed_out;
    uint64_t received_bytes;
    uint64_t receives; /* Pieces. */
    uint64_t sends;
    uint64_t sends_refused; /* No room for another send. */
    uint64_t foreign;       /* Frames that were not for our address. */
};

/* Bytes of memory a stack takes, at 64 bytes alignment. nic may be NULL for this question. */
uint64_t stack_memory_bytes(const struct stack_setup *setup);

/* Lays it out in zeroed memory of that size. */
struct stack *stack_create(void *memory, const struct stack_setup *setup, uint64_t now_ns);

struct transport *stack_transport(struct stack *stack);
struct tcp *stack_tcp(struct stack *stack);
struct nic *stack_nic(struct stack *stack);
/* From now on frames that are not for our address, and ARP, go there, too. Before the first turn.
 */
void stack_share(struct stack *stack, struct exception *exception);

/* Takes connections to the port; listener: its index, told to on_open. False: no room. */
MUST_USE bool stack_listen(struct stack *stack, uint32_t listener, uint16_t port);
void stack_stop_listening(struct stack *stack);

/* Opens a connection. With a spread it is the core's that the answer comes to: its on_opened is
 * called, and nobody else's; on_unopened is called here, or where there was no slot. token: told to
 * either. False: no memory, no free port, no route. */
MUST_USE bool stack_open(struct stack *stack, const struct network_address *peer, uint64_t token,
                         uint64_t now_ns);

/* Both return the work done. budget: frames. */
uint32_t stack_receive_turn(struct stack *stack, uint32_t budget, uint64_t now_ns);
uint32_t stack_send_turn(struct stack *stack, uint32_t budget, uint64_t now_ns);
/* Takes what has arrived, for the next stack_receive_turn. False: nothing has. */
bool stack_look(struct stack *stack);

/* When one of them has something to do by itself; at once: a time that has passed. */
uint64_t stack_next_deadline_ns(const struct stack *stack);

/* Cores that were handed something since the last call and may sleep, bit per core. */
uint64_t stack_given(struct stack *stack);
/* False: other cores have handed something over that was not taken yet. */
bool stack_quiet(const struct stack *stack);

const struct stack_counters *stack_counters(const struct stack *stack);
/* NULL: there is no spread. */
const struct spread_counters *stack_spread_counters(const struct stack *stack);
uint32_t stack_buffers_free(const struct stack *stack);

/* True when the user has no connection, and every buffer and part is back. */
bool stack_idle(const struct stack *stack);

#endif
