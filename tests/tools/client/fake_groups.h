/* The fake broker's groups and transactions: one of each, told as the test has set it. */
#ifndef TESTS_TOOLS_CLIENT_FAKE_GROUPS_H
#define TESTS_TOOLS_CLIENT_FAKE_GROUPS_H

#include "tests/tools/client/fake_broker.h"

/* False: the API is none of theirs. */
bool fake_groups_answer(struct fake_broker *broker, int16_t key, int16_t version,
                        struct reader *reader, struct writer *writer);

#endif
