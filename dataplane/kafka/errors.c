#include "dataplane/kafka/errors.h"

struct error_info {
    const char *name;
    const char *text;
    bool retriable;
};

static const struct error_info *error_find(int16_t code)
{
    static const struct error_info infos[] = {
#define X(number, name, retriable, text) [(number) + 1] = {#name, text, retriable},
        ERROR_CODES(X)
#undef X
    };
    const int32_t index = code + 1;
    const int32_t count = (int32_t)(sizeof(infos) / sizeof(infos[0]));
    return &infos[index >= 0 && index < count ? index : 0];
}

const char *error_name(int16_t code)
{
    return error_find(code)->name;
}

const char *error_text(int16_t code)
{
    return error_find(code)->text;
}

bool error_is_retriable(int16_t code)
{
    return error_find(code)->retriable;
}
