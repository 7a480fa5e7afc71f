/* name.c: what may be a name: text that every terminal, file and database shows as it is; and what a time. */
#include "gallery/gallery.h"

#include <string.h>

/* Decode one character from *at, move past it; UINT32_MAX when it is not UTF-8 (RFC 3629). */
static uint32_t decode(const unsigned char **at) {
    static const uint32_t least[] = {0, 0x80, 0x800,
                                     0x10000}; /* what needs so many more bytes: no overlong forms */
    const unsigned char *c = *at;
    int more = *c < 0x80 ? 0 : *c < 0xc0 ? -1 : *c < 0xe0 ? 1 : *c < 0xf0 ? 2 : *c < 0xf8 ? 3 : -1;
    if (more < 0) return UINT32_MAX;
    uint32_t point = more == 0 ? *c : *c & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((c[i] & 0xc0) != 0x80) return UINT32_MAX;
        point = point << 6 | (c[i] & 0x3fu);
    }
    *at = c + 1 + more;
    return point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? UINT32_MAX
                                                                                          : point;
}

bool lk__name_valid(const char *name, size_t limit) {
    const unsigned char *at = (const unsigned char *)name;
    if (!name || !*name || strlen(name) > limit) return false;
    while (*at) {
        uint32_t point = decode(&at);
        if (point == UINT32_MAX || point < 0x20 || (point >= 0x7f && point < 0xa0)) return false;
    }
    return true;
}

bool lk__time_valid(const char *text) {
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    if (strlen(text) != sizeof form - 1) return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i]) return false;
    return true;
}
