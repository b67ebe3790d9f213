#include "http/accept.h"

#include "base/macro.h"

#include <ctype.h>
#include <strings.h>

#define QUALITY_MAX 1000
#define NO_QUALITY (-1)

/* A part of the header. */
struct token {
        const char *text;
        size_t length;
};

/* How closely a range names an offer; the closest one's quality counts. */
enum match {
        MATCH_NONE,
        MATCH_ANY,  /* any type at all */
        MATCH_TYPE, /* type and any subtype */
        MATCH_NAMED,
        MATCH_VERSION,
};

struct range {
        struct token type, subtype, version;
        int quality; /* thousandths */
};

static struct token token_trim(struct token token) {
        while (token.length > 0 && strchr(" \t", token.text[0]))
                token = (struct token){token.text + 1, token.length - 1};
        while (token.length > 0 && strchr(" \t", token.text[token.length - 1]))
                token.length--;
        return token;
}

/* Cuts what stands before the next SEPARATOR off REST, quoted ones left alone. Answers false when nothing is left. */
static bool take_token(struct token *rest, char separator, struct token *ret_token) {
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
        *ret_token = token_trim((struct token){rest->text, i});
        *rest = i < rest->length ? (struct token){rest->text + i + 1, rest->length - i - 1} : (struct token){0};
        return true;
}

static bool token_is(struct token token, const char *text) {
        return strlen(text) == token.length && strncasecmp(token.text, text, token.length) == 0;
}

/* "0", "1", "0.5": up to three digits. */
static int parse_quality(struct token token) {
        int quality = 0, digit = QUALITY_MAX;

        if (token.length < 1 || token.length > 5 || (token.length > 1 && token.text[1] != '.'))
                return NO_QUALITY;
        for (size_t i = 0; i < token.length; i++) {
                if (i == 1)
                        continue;
                if (!isdigit((unsigned char)token.text[i]))
                        return NO_QUALITY;
                quality += (token.text[i] - '0') * digit;
                digit /= 10;
        }
        return quality <= QUALITY_MAX ? quality : NO_QUALITY;
}

static struct token unquote(struct token token) {
        if (token.length >= 2 && token.text[0] == '"' && token.text[token.length - 1] == '"')
                return (struct token){token.text + 1, token.length - 2};
        return token;
}

static struct range parse_range(struct token text) {
        struct range range = {.quality = QUALITY_MAX};
        struct token head, parameter, name;

        if (take_token(&text, ';', &head) && take_token(&head, '/', &range.type))
                range.subtype = token_trim(head);
        while (take_token(&text, ';', &parameter)) {
                if (!take_token(&parameter, '=', &name))
                        continue;
                if (token_is(name, "q"))
                        range.quality = parse_quality(token_trim(parameter));
                else if (token_is(name, "version"))
                        range.version = unquote(token_trim(parameter));
        }
        return range;
}

static enum match match_of(const struct range *range, const struct media_type *offer) {
        if (token_is(range->type, "*") && token_is(range->subtype, "*"))
                return MATCH_ANY;
        if (!token_is(range->type, offer->type))
                return MATCH_NONE;
        if (token_is(range->subtype, "*"))
                return MATCH_TYPE;
        if (!token_is(range->subtype, offer->subtype))
                return MATCH_NONE;
        if (!range->version.text)
                return MATCH_NAMED;
        return token_is(range->version, offer->version) ? MATCH_VERSION : MATCH_NONE;
}

/* How much the client prefers OFFER, as a number to compare: its quality, and whether it was named. 0: not at all. */
static int preference_of(const char *accept, const struct media_type *offer) {
        struct token rest = {accept, strlen(accept)}, text;
        enum match best = MATCH_NONE;
        int quality = 0;

        while (take_token(&rest, ',', &text)) {
                struct range range = parse_range(text);
                enum match match = match_of(&range, offer);

                if (range.quality == NO_QUALITY || match == MATCH_NONE || match < best)
                        continue;
                quality = match > best ? range.quality : MAX(quality, range.quality);
                best = match;
        }
        return quality == 0 ? 0 : 2 * quality + (best >= MATCH_NAMED);
}

size_t accept_choose(const char *accept, const struct media_type *offers, size_t n) {
        size_t best = 0;
        int most;

        if (!accept)
                return 0;
        most = preference_of(accept, &offers[0]);
        for (size_t i = 1; i < n; i++) {
                int preference = preference_of(accept, &offers[i]);
                bool named = preference & 1;

                if (preference > most || (preference == most && named)) {
                        best = i;
                        most = preference;
                }
        }
        return best;
}
