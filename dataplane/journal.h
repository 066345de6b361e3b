/* Log lines: one line per event, key=value, written to stderr off the cores.
 *
 *     time=2026-02-03T04:05:06.789Z level=info process=dataplane core=1 event=partition_open id=...
 *
 * A core writes into its own ring, which the service thread drains; a full ring or a flood drops
 * lines and says later how many. Ordinary threads write through journal_say, all of them together
 * as much as one core. A reader of stderr that stops reading stops nobody: lines are then dropped
 * too.
 *
 * Threads: a port belongs to one core. journal_drain: service thread. journal_say: any ordinary
 * one.
 */
#ifndef DATAPLANE_JOURNAL_H
#define DATAPLANE_JOURNAL_H

#include "storage/base/check.h"

enum journal_level { JOURNAL_ERROR, JOURNAL_WARNING, JOURNAL_INFO, JOURNAL_DEBUG };

enum {
    JOURNAL_LINE_BYTES_MAX = 480, /* Longer ones are cut. */
    JOURNAL_RING_SLOTS = 128,     /* Per core. */
    JOURNAL_BURST_LINES = 64,     /* Of one core; refilled at JOURNAL_LINES_PER_SECOND. */
    JOURNAL_LINES_PER_SECOND = 32,
};

struct journal;
struct journal_port;

/* Allocates all; NULL only for want of memory. fd: where lines go, borrowed. */
struct journal *journal_create(int fd, const char *process, uint32_t core_count,
                               enum journal_level level);
void journal_destroy(struct journal *journal);

/* From now on; any thread. */
void journal_set_level(struct journal *journal, enum journal_level level);

struct journal_port *journal_port(struct journal *journal, uint32_t core);

/* What time it is for this core's lines; once a turn. */
void journal_time(struct journal_port *port, uint64_t now_ns, int64_t wall_ms);

/* One line of a core. event: a constant word; format: the other key=value pairs. Values with blanks
 * go through journal_quote or "%s" of known words. */
__attribute__((format(printf, 4, 5))) void journal_write(struct journal_port *port,
                                                         enum journal_level level,
                                                         const char *event, const char *format,
                                                         ...);

/* Lines this port has dropped so far. */
uint64_t journal_lost(const struct journal_port *port);

/* True when lines wait to be drained; from the port's core. */
bool journal_waiting(const struct journal_port *port);

/* One line of an ordinary thread. Reads the clock. */
__attribute__((format(printf, 4, 5))) void journal_say(struct journal *journal,
                                                       enum journal_level level, const char *event,
                                                       const char *format, ...);

/* Writes what the cores have left in their rings. Returns the number of lines. */
uint32_t journal_drain(struct journal *journal);

/* The text as a quoted value: "..." with quotes, backslashes and bytes below blank escaped; cut to
 * fit. Returns `to`. */
const char *journal_quote(char *to, size_t to_bytes, const char *text, size_t text_len);

#endif
