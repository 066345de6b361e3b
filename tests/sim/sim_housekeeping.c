#include "tests/sim/sim_housekeeping.h"

#include "tests/sim/sim_internal.h"

struct housekeeping_port *sim_housekeeping_create(struct sim_process *process,
                                                  uint32_t job_count_max)
{
    struct housekeeping_port *port = sim_allocate(sizeof(*port));
    port->process = process;
    port->job_count_max = job_count_max;
    port->done_ns = sim_allocate(job_count_max * sizeof(*port->done_ns));
    list_init(&port->posted);
    list_init(&port->done);
    list_push_back(&process->ports, &port->node);
    return port;
}

static uint64_t delay_ns(struct housekeeping_port *port)
{
    struct sim_machine *machine = port->process->machine;
    const struct sim_range pause = machine->options.pause;
    const bool pauses = pause.max_ns > 0 && draw_one_in(machine, 4);
    return draw_latency(machine, machine->options.call) +
           (pauses ? draw_latency(machine, pause) : 0);
}

bool housekeeping_post(struct housekeeping_port *port, struct housekeeping_job *job)
{
    if (port->job_count == port->job_count_max) {
        return false;
    }
    if (list_empty(&port->posted)) {
        port->run_ns = max_u64(port->run_ns, port->process->machine->now_ns) + delay_ns(port);
    }
    port->job_count++;
    list_push_back(&port->posted, &job->node);
    return true;
}

uint64_t port_next_ns(const struct housekeeping_port *port)
{
    if (!port->process->alive) {
        return UINT64_MAX;
    }
    uint64_t next_ns = list_empty(&port->posted) ? UINT64_MAX : port->run_ns;
    if (port->done_count > 0 && port->done_ns[port->done_first] > port->process->machine->now_ns) {
        next_ns = min_u64(next_ns, port->done_ns[port->done_first]);
    }
    return next_ns;
}

/* Runs one job. What it changes is changed at once; that it is done is known when the virtual time
 * its calls took is over. */
void port_step(struct housekeeping_port *port, uint64_t now_ns)
{
    struct sim_process *process = port->process;
    if (list_empty(&port->posted) || port->run_ns > now_ns) {
        return; /* It was the moment at which a job is known to be done. */
    }
    struct list_node *node = list_pop_front(&port->posted);
    struct housekeeping_job *job = CONTAINER_OF(node, struct housekeeping_job, node);
    const uint64_t spent_before_ns = process->spent_ns;
    job->run(job, &process->files);
    const uint64_t took_ns = process->spent_ns - spent_before_ns;
    process->spent_ns = spent_before_ns;
    const uint32_t at = (port->done_first + port->done_count++) % port->job_count_max;
    port->done_ns[at] = now_ns + took_ns;
    port->run_ns = port->done_ns[at] + delay_ns(port);
    list_push_back(&port->done, node);
}

struct housekeeping_job *housekeeping_done(struct housekeeping_port *port)
{
    if (!port->process->alive || list_empty(&port->done) ||
        port->done_ns[port->done_first] > port->process->machine->now_ns) {
        return NULL;
    }
    port->done_first = (port->done_first + 1) % port->job_count_max;
    port->done_count--;
    port->job_count--;
    return CONTAINER_OF(list_pop_front(&port->done), struct housekeeping_job, node);
}

void port_free(struct housekeeping_port *port)
{
    list_remove(&port->node);
    free(port->done_ns);
    free(port);
}
