/* millrace-bench: the load over a DPDK port, in a program of its own: the millrace command stays
 * free of DPDK. `millrace bench --over memif` starts it. */
#include "tools/bench/bench.h"
#include "tools/bench/path.h"

static bool port_use(const char *device, const char *address)
{
    peer_use(&path_port);
    return path_port_start(device, address);
}

int main(int argc, char **argv)
{
    return bench_main_over(argc - 1, argv + 1, port_use);
}
