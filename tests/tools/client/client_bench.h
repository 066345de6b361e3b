/* A broker in a thread and a client of it: the fixture of tests that talk through a client. */
#ifndef TESTS_TOOLS_CLIENT_CLIENT_BENCH_H
#define TESTS_TOOLS_CLIENT_CLIENT_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/tools/client/fake_broker.h"
#include "tools/client/client.h"

enum { TIMEOUT_MS = 5000 };

/* Of the test that runs. */
extern struct fake_broker *broker;
extern struct client client;

/* cmocka's: a broker that is not started yet; at the end both are closed. */
int client_bench_setup(void **state);
int client_bench_teardown(void **state);

/* Starts the broker and connects the client. */
void begin(void);

#endif
