/* `millrace bench`: loads of known shape with figures that can be compared. */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

/* The words behind "bench". Returns the exit code: 0 ok, 1 failed or wrong bytes, 2 usage. */
int bench_main(int argc, char **argv);

#endif
