/* `millrace bench`: loads of known shape with figures that can be compared. */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include <stdbool.h>

/* The words behind "bench". Returns the exit code: 0 ok, 1 failed or wrong bytes, 2 usage. */
int bench_main(int argc, char **argv);

/* The same in a program that can use a DPDK port: port_use makes peers go over it, false with a
 * message on stderr. */
int bench_main_over(int argc, char **argv,
                    bool (*port_use)(const char *device, const char *address));

#endif
