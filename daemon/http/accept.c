#include "http/accept.h"

#include "base/macro.h"

#include <ctype.h>
#include <strings.h>

#define QUALITY_MAX 1000
#define NO_QUALITY (-1)

/* A piece of the header. */
struct piece {
        const char *text;
        size_t length;
};

/* How closely a range names an offer; the closest one's quality counts. */
enum closeness {
        CLOSE_NOT,
        CLOSE_ANYTHING, /* any type at all */
        CLOSE_TYPE,     /* type and any subtype */
        CLOSE_NAMED,
        CLOSE_VERSION,
};

struct range {
        struct piece type, subtype, version;
        int quality; /* thousandths */
};

static struct piece trim(struct piece piece) {
        while (piece.length > 0 && strchr(" \t", piece.text[0]))
                piece = (struct piece){piece.text + 1, piece.length - 1};
        while (piece.length > 0 && strchr(" \t", piece.text[piece.length - 1]))
                piece.length--;
        return piece;
}

/* Cuts what stands before the next SEPARATOR off REST, quoted ones left alone. Answers false when nothing is left. */
static bool cut(struct piece *rest, char separator, struct piece *ret_piece) {
        bool quoted = false;
        size_t i;

        if (!rest->text)
                return false;
        for (i = 0; i < rest->length && (quoted || rest->text[i] != separator); i++) {
                if (quoted && rest->text[i] == '\\' && i + 1 < rest->length)
                        i++;
                else if (rest->text[i] == '"')
                        quoted = !quoted;
        }
        *ret_piece = trim((struct piece){rest->text, i});
        *rest = i < rest->length ? (struct piece){rest->text + i + 1, rest->length - i - 1} : (struct piece){0};
        return true;
}

static bool piece_is(struct piece piece, const char *text) {
        return strlen(text) == piece.length && strncasecmp(piece.text, text, piece.length) == 0;
}

/* "0", "1", "0.5": up to three digits. */
static int parse_quality(struct piece piece) {
        int quality = 0, digit = QUALITY_MAX;

        if (piece.length < 1 || piece.length > 5 || (piece.length > 1 && piece.text[1] != '.'))
                return NO_QUALITY;
        for (size_t i = 0; i < piece.length; i++) {
                if (i == 1)
                        continue;
                if (!isdigit((unsigned char)piece.text[i]))
                        return NO_QUALITY;
                quality += (piece.text[i] - '0') * digit;
                digit /= 10;
        }
        return quality <= QUALITY_MAX ? quality : NO_QUALITY;
}

static struct piece unquote(struct piece piece) {
        if (piece.length >= 2 && piece.text[0] == '"' && piece.text[piece.length - 1] == '"')
                return (struct piece){piece.text + 1, piece.length - 2};
        return piece;
}

static struct range parse_range(struct piece text) {
        struct range range = {.quality = QUALITY_MAX};
        struct piece head, parameter, name;

        if (cut(&text, ';', &head) && cut(&head, '/', &range.type))
                range.subtype = trim(head);
        while (cut(&text, ';', &parameter)) {
                if (!cut(&parameter, '=', &name))
                        continue;
                if (piece_is(name, "q"))
                        range.quality = parse_quality(trim(parameter));
                else if (piece_is(name, "version"))
                        range.version = unquote(trim(parameter));
        }
        return range;
}

static enum closeness closeness_of(const struct range *range, const struct media_type *offer) {
        if (piece_is(range->type, "*") && piece_is(range->subtype, "*"))
                return CLOSE_ANYTHING;
        if (!piece_is(range->type, offer->type))
                return CLOSE_NOT;
        if (piece_is(range->subtype, "*"))
                return CLOSE_TYPE;
        if (!piece_is(range->subtype, offer->subtype))
                return CLOSE_NOT;
        if (!range->version.text)
                return CLOSE_NAMED;
        return piece_is(range->version, offer->version) ? CLOSE_VERSION : CLOSE_NOT;
}

/* How much the client likes OFFER, as a number to compare: its quality, and whether it was named. 0: not at all. */
static int liking_of(const char *accept, const struct media_type *offer) {
        struct piece rest = {accept, strlen(accept)}, text;
        enum closeness closest = CLOSE_NOT;
        int quality = 0;

        while (cut(&rest, ',', &text)) {
                struct range range = parse_range(text);
                enum closeness closeness = closeness_of(&range, offer);

                if (range.quality == NO_QUALITY || closeness == CLOSE_NOT || closeness < closest)
                        continue;
                quality = closeness > closest ? range.quality : MAX(quality, range.quality);
                closest = closeness;
        }
        return quality == 0 ? 0 : 2 * quality + (closest >= CLOSE_NAMED);
}

size_t accept_choose(const char *accept, const struct media_type *offers, size_t n) {
        size_t best = 0;
        int most;

        if (!accept)
                return 0;
        most = liking_of(accept, &offers[0]);
        for (size_t i = 1; i < n; i++) {
                int liking = liking_of(accept, &offers[i]);
                bool named = liking & 1;

                if (liking > most || (liking == most && named)) {
                        best = i;
                        most = liking;
                }
        }
        return best;
}
