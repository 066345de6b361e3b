#include "tools/host.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_BYTES = 400, TEXT_BYTES = 2048 };

struct place {
    const char *root;
    char path[PATH_BYTES];
};

__attribute__((format(printf, 2, 3))) static const char *at(struct place *place, const char *format,
                                                            ...)
{
    va_list arguments;
    const int len = snprintf(place->path, sizeof(place->path), "%.150s", place->root);
    va_start(arguments, format);
    (void)vsnprintf(place->path + len, sizeof(place->path) - (size_t)len, format, arguments);
    va_end(arguments);
    return place->path;
}

/* The first line, without its end; "" when there is none. */
static void line_of(const char *path, char *room, size_t size)
{
    FILE *file = fopen(path, "re");
    room[0] = '\0';
    if (file != NULL) {
        if (fgets(room, (int)size, file) != NULL) {
            room[strcspn(room, "\n")] = '\0';
        } else {
            room[0] = '\0';
        }
        (void)fclose(file);
    }
}

static uint64_t number_of(const char *path)
{
    char line[64];
    line_of(path, line, sizeof(line));
    return strtoull(line, NULL, 10);
}

/* How many entries of a folder begin so. */
static uint32_t entries(const char *path, const char *prefix)
{
    uint32_t count = 0;
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return count;
}

/* Calls for each CPU of a list like "2-5,8". */
static void cpus_of(const char *list, struct host *host, void (*each)(struct host_cpu *, int),
                    int value)
{
    for (const char *text = list; *text >= '0' && *text <= '9';) {
        char *end = NULL;
        unsigned long first = strtoul(text, &end, 10);
        unsigned long last = first;
        if (*end == '-') {
            last = strtoul(end + 1, &end, 10);
        }
        for (; first <= last && first < HOST_CPUS_MAX; first++) {
            each(&host->cpus[first], value);
        }
        text = *end == ',' ? end + 1 : end;
    }
}

static void cpu_is_there(struct host_cpu *cpu, int value)
{
    cpu->there = value != 0;
}

static void cpu_is_isolated(struct host_cpu *cpu, int value)
{
    cpu->isolated = value != 0;
}

static void cpu_is_of_node(struct host_cpu *cpu, int node)
{
    cpu->node = node;
}

static void cpus_read(struct place *place, struct host *host)
{
    char list[TEXT_BYTES];
    line_of(at(place, "/sys/devices/system/cpu/online"), list, sizeof(list));
    cpus_of(list, host, cpu_is_there, 1);
    line_of(at(place, "/sys/devices/system/cpu/isolated"), list, sizeof(list));
    cpus_of(list, host, cpu_is_isolated, 1);
    for (uint32_t i = 0; i < HOST_CPUS_MAX; i++) {
        struct host_cpu *cpu = &host->cpus[i];
        host->cpu_count += cpu->there;
        if (cpu->there) {
            line_of(at(place, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", i),
                    cpu->governor, sizeof(cpu->governor));
        }
    }
}

static void nodes_read(struct place *place, struct host *host)
{
    char list[TEXT_BYTES];
    for (int i = 0; i < HOST_NODES_MAX; i++) {
        struct host_node *node = &host->nodes[i];
        const char *folder = "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/%s";
        line_of(at(place, "/sys/devices/system/node/node%d/cpulist", i), list, sizeof(list));
        node->there = access(at(place, "/sys/devices/system/node/node%d", i), F_OK) == 0;
        if (node->there) {
            cpus_of(list, host, cpu_is_of_node, i);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            node->huge_pages = number_of(at(place, folder, i, "nr_hugepages"));
            node->huge_pages_free = number_of(at(place, folder, i, "free_hugepages"));
#pragma GCC diagnostic pop
        }
    }
    if (!host->nodes[0].there) { /* A kernel without NUMA has all in one place. */
        const char *huge = "/sys/kernel/mm/hugepages/hugepages-2048kB";
        host->nodes[0].there = true;
        host->nodes[0].huge_pages = number_of(at(place, "%s/nr_hugepages", huge));
        host->nodes[0].huge_pages_free = number_of(at(place, "%s/free_hugepages", huge));
    }
}

static void maker_read(struct place *place, struct host *host)
{
    char line[256];
    FILE *file = fopen(at(place, "/proc/cpuinfo"), "re");
    while (file != NULL && host->machine[0] == '\0' && fgets(line, sizeof(line), file) != NULL) {
        (void)sscanf(line, "vendor_id : %15s", host->machine);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

static void device_read(struct place *place, const struct settings *settings, struct host *host)
{
    const char *root = place->root;
    host->device_found = device_find(settings->network_device, root, &host->device,
                                     host->device_problem, sizeof(host->device_problem));
    for (uint32_t i = 0; host->device_found && i < host->device.interface_count; i++) {
        const char *name = host->device.interfaces[i];
        char why[sizeof(host->needed_why)];
        if (access(at(place, "/sys/class/net/%s", name), F_OK) != 0) {
            (void)snprintf(host->missing_interface, sizeof(host->missing_interface), "%s", name);
        } else if (device_interface_is_needed(name, root, why, sizeof(why))) {
            (void)snprintf(host->needed_interface, sizeof(host->needed_interface), "%s", name);
            (void)snprintf(host->needed_why, sizeof(host->needed_why), "%s", why);
        }
        if (i == 0) {
            host->queues = entries(at(place, "/sys/class/net/%s/queues", name), "rx-");
        }
    }
}

void host_read(const char *root, const struct settings *settings, struct host *host)
{
    struct place place = {.root = root};
    memset(host, 0, sizeof(*host));
    cpus_read(&place, host);
    nodes_read(&place, host);
    maker_read(&place, host);
    host->iommu = entries(at(&place, "/sys/kernel/iommu_groups"), "") > 0;
    host->vfio = access(at(&place, "/sys/bus/pci/drivers/vfio-pci"), F_OK) == 0;
    device_read(&place, settings, host);
}
