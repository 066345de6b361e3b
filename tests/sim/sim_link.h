/* The simulated twin of slowpath/link.h: both processes on one thread, without a kernel.
 *
 * Handles are numbers of a process; things live until the last handle, mapping or message that
 * refers to them is gone, so a crash of one process leaves the other what the kernel would.
 */
#ifndef TESTS_SIM_SIM_LINK_H
#define TESTS_SIM_SIM_LINK_H

#include "dataplane/slowpath/link.h"

/* What all processes of one machine share: the names of listening sockets. */
struct sim_link_machine;

struct sim_link_machine *sim_link_machine_create(void);
/* Every process must be gone before. */
void sim_link_machine_destroy(struct sim_link_machine *machine);

struct link_world *sim_link_process(struct sim_link_machine *machine);
/* The process is gone, in order or not: its handles and mappings with it. Frees world. */
void sim_link_process_end(struct link_world *world);

/* True when something was sent to this handle, or rung, that was not yet taken. */
bool sim_link_readable(const struct link_world *world, int handle);

/* From now on sends of this process find no room (-EAGAIN), until false. */
void sim_link_choke(struct link_world *world, bool choked);

/* Handles that the process has open: a leak shows here. */
uint32_t sim_link_handle_count(const struct link_world *world);

#endif
