#include "dataplane/nic/descriptor.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

int descriptor_of_family(int family, uint32_t number, uint32_t count)
{
    DIR *directory = opendir("/proc/self/fd");
    int found = -1;
    uint32_t seen = 0;
    for (const struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        int domain = 0;
        socklen_t len = sizeof(domain);
        const int fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] != '.' && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
            domain == family) {
            found = seen == number ? fd : found;
            seen++;
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return seen == count ? found : -1;
}

void descriptor_quiet(int fd, void (**handler)(int), int *number)
{
    struct sigaction action;
    const int signal_number = fcntl(fd, F_GETSIG);
    const int flags = fcntl(fd, F_GETFL);
    if (signal_number <= 0 || flags < 0 || sigaction(signal_number, NULL, &action) != 0 ||
        action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN ||
        fcntl(fd, F_SETFL, flags & ~O_ASYNC) != 0) {
        return;
    }
    *handler = action.sa_handler;
    *number = signal_number;
}
