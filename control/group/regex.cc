#include "control/group/regex.h"

#include <re2/re2.h>

#include <cstdio>
#include <new>
#include <vector>

struct regex {
    regex(const re2::StringPiece &pattern, const RE2::Options &options) : compiled(pattern, options)
    {
    }
    RE2 compiled;
};

namespace {

/* As Kafka words it. */
const char *error_text(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::ErrorBadEscape: return "invalid escape sequence";
    case RE2::ErrorBadCharClass: return "invalid character class";
    case RE2::ErrorBadCharRange: return "invalid character class range";
    case RE2::ErrorMissingBracket: return "missing closing ]";
    case RE2::ErrorMissingParen: return "missing closing )";
    case RE2::ErrorUnexpectedParen: return "unexpected )";
    case RE2::ErrorTrailingBackslash: return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument: return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize: return "invalid repetition size";
    case RE2::ErrorRepeatOp: return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp: return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8: return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture: return "invalid named capture";
    case RE2::ErrorPatternTooLarge: return "expression too large";
    case RE2::NoError:
    case RE2::ErrorInternal: break;
    }
    return "internal error";
}

/* Of the parenthesis that has no partner: RE2 names the whole pattern then. */
uint32_t lone_parenthesis(const re2::StringPiece &pattern)
{
    std::vector<std::size_t> open;
    bool in_class = false;
    for (std::size_t i = 0; i < pattern.size(); i++) {
        const char letter = pattern[i];
        if (letter == '\\') {
            i++;
        } else if (in_class) {
            in_class = letter != ']';
        } else if (letter == '[') {
            in_class = true;
            i += i + 1 < pattern.size() && pattern[i + 1] == ']' ? 1 : 0;
        } else if (letter == '(') {
            open.push_back(i);
        } else if (letter == ')' && open.empty()) {
            return static_cast<uint32_t>(i);
        } else if (letter == ')') {
            open.pop_back();
        }
    }
    return open.empty() ? 0 : static_cast<uint32_t>(open.back());
}

/* RE2 tells the part that is wrong, not where it stands. */
uint32_t error_place(const re2::StringPiece &pattern, const RE2 &compiled)
{
    const std::string &part = compiled.error_arg();
    if (compiled.error_code() == RE2::ErrorMissingParen ||
        compiled.error_code() == RE2::ErrorUnexpectedParen) {
        return lone_parenthesis(pattern);
    }
    if (compiled.error_code() == RE2::ErrorTrailingBackslash) {
        return static_cast<uint32_t>(pattern.size() - 1);
    }
    const std::size_t at = part.empty() ? 0 : std::string(pattern).find(part);
    return at == std::string::npos ? 0 : static_cast<uint32_t>(at);
}

} // namespace

struct regex *regex_new(const char *pattern, uint32_t len, struct regex_error *error)
{
    RE2::Options options;
    options.set_log_errors(false);
    options.set_never_capture(true);
    options.set_max_mem(REGEX_BYTES_MAX);
    const re2::StringPiece piece(pattern, len);
    struct regex *made = new (std::nothrow) regex(piece, options);
    if (made == nullptr) {
        std::snprintf(error->what, sizeof(error->what), "no memory");
        error->at = 0;
        return nullptr;
    }
    if (made->compiled.ok()) {
        return made;
    }
    std::snprintf(error->what, sizeof(error->what), "%s",
                  error_text(made->compiled.error_code()));
    error->at = error_place(piece, made->compiled);
    delete made;
    return nullptr;
}

void regex_free(struct regex *made)
{
    delete made;
}

bool regex_matches(const struct regex *made, const char *text, uint32_t len)
{
    return RE2::FullMatch(re2::StringPiece(text, len), made->compiled);
}
