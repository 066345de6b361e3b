#include "tests/storage/io/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *folder_path(struct folder *folder, const char *name)
{
    (void)snprintf(folder->path, sizeof(folder->path), "%s/%s", folder->directory, name);
    return folder->path;
}

int folder_setup(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    (void)strcpy(folder->directory, "/tmp/millrace-file-XXXXXX");
    folder->fs = file_system_real(0);
    *state = folder;
    return mkdtemp(folder->directory) == NULL ? -1 : 0;
}

static int remove_entry(void *context, const struct file_entry *entry)
{
    struct folder *folder = context;
    const char *path = folder_path(folder, entry->name);
    return entry->directory ? file_remove_directory(folder->fs, path)
                            : file_unlink(folder->fs, path);
}

int folder_teardown(void **state)
{
    struct folder *folder = *state;
    int result = file_list(folder->fs, folder->directory, remove_entry, folder);
    if (result == 0) {
        result = file_remove_directory(folder->fs, folder->directory);
    }
    free(folder->fs);
    free(folder);
    return result;
}
