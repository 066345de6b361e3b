/* A folder of its own on the real file system, for tests of file.h. */
#ifndef TESTS_STORAGE_IO_FOLDER_H
#define TESTS_STORAGE_IO_FOLDER_H

#include "storage/io/file.h"

struct folder {
    char directory[64];
    char path[128];
    struct file_system *fs;
};

/* cmocka's: *state is a new folder; at the end it goes with everything in it. */
int folder_setup(void **state);
int folder_teardown(void **state);

/* The path of a name in it, until the next call. */
const char *folder_path(struct folder *folder, const char *name);

#endif
