/* The entry that libFuzzer and the replay driver share. */
#ifndef TESTS_FUZZ_FUZZ_MESSAGE_H
#define TESTS_FUZZ_FUZZ_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/* An input is: message, version, bytes per piece (0: one piece), then the message; or, where the
 * first byte is 255, a stream of framed requests. The numbers wrap around what there is. */
enum {
    FUZZ_HEAD_BYTES = 3,
    FUZZ_STREAM = 255,
};

/* Ends the process on any fault; 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
