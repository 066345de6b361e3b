#include "dataplane/nic/driver.h"

#include <string.h>
#include <sys/socket.h>

static const struct driver_trait driver_traits[] = {
    {.name = "net_tap", .software = true, .short_frames = true, .readable = true},
    {.name = "net_af_packet", .software = true, .partial = true, .family = AF_PACKET},
    {.name = "net_af_xdp", .software = true, .no_parts = true, .partial = true, .family = AF_XDP},
    {.name = "net_memif", .software = true, .one_queue = true},
    {.name = "net_ring", .software = true, .no_wire = true},
    {.name = "net_null", .software = true},
    {.name = "net_virtio_user", .own_memory = true},
};

const struct driver_trait *driver_trait_of(const char *driver)
{
    static const struct driver_trait hardware = {.name = ""};
    for (size_t i = 0; i < ARRAY_SIZE(driver_traits); i++) {
        if (strcmp(driver, driver_traits[i].name) == 0) {
            return &driver_traits[i];
        }
    }
    return &hardware;
}
