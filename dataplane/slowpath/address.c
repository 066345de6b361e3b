#include "dataplane/slowpath/address.h"

#include "storage/base/text.h"

struct bytes address_text(const struct network_address *address, char text[ADDRESS_TEXT_BYTES])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *ip = address->ip;
    struct text out;
    text_init(&out, text, ADDRESS_TEXT_BYTES);
    if (memcmp(ip, mapped, sizeof(mapped)) == 0) {
        for (uint32_t i = 12; i < 16; i++) {
            text_string(&out, i == 12 ? "" : ".");
            text_u64(&out, ip[i]);
        }
        return text_view(&out);
    }
    for (uint32_t i = 0; i < 16; i += 2) {
        text_printf(&out, "%s%x", i == 0 ? "" : ":", (unsigned)load_be16(ip + i));
    }
    return text_view(&out);
}
