/* report_page.c: the frame of the page: head, style sheet, foot, and thumbnails inside it. */
#include "report.h"
#include "svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THUMBNAIL = 96, THUMBNAIL_QUALITY = 85 };

/* Line colours are those of Okabe & Ito (2008), which colour-blind readers tell apart; the light page takes
 * the darker ones first, the dark page lighter kin of the same hues. Dashes repeat what colours say. */
static const char COLOURS[] =
    ":root{color-scheme:light dark;--page:#f6f6f3;--card:#fff;--text:#1c2024;--muted:#5b646d;"
    "--line:#e2e2dc;--grid:#ecece7;--accent:#0a5c9e;--good:#0b6b4f;--good-bg:#e3f3ec;--bad:#a33b00;"
    "--bad-bg:#fcebe0;--plain-bg:#ededea;--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#b3589a;"
    "--s4:#a87400;--s5:#3b3f8f}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--page:#14171a;--card:#1c2024;"
    "--text:#e7e9eb;--muted:#9ea8b1;--line:#31373d;--grid:#292e33;--accent:#7cc0f5;--good:#6fd6b0;"
    "--good-bg:#16352b;--bad:#ffa672;--bad-bg:#402313;--plain-bg:#2b3036;--s0:#56b4e9;--s1:#ff8b45;"
    "--s2:#35c79a;--s3:#e29bca;--s4:#efc04a;--s5:#a9adff}}\n";

static const char LAYOUT[] =
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,"
    "\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif;font-variant-numeric:tabular-nums;"
    "-webkit-text-size-adjust:100%}\n"
    "header,main,footer{max-width:1120px;margin:0 auto;padding:0 20px}\n"
    "header{padding-top:44px}main{padding-bottom:24px}\n"
    "h1{font-size:clamp(1.6rem,4vw,2.1rem);line-height:1.2;letter-spacing:-.015em;margin:0 0 6px;"
    "overflow-wrap:anywhere}\n"
    "h2{font-size:1.3rem;line-height:1.3;letter-spacing:-.01em;margin:44px 0 4px}\n"
    "h3{font-size:1rem;line-height:1.35;margin:0}\n"
    "p{margin:0 0 12px;max-width:68ch}.muted{color:var(--muted)}.small{font-size:.84rem}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px}\n"
    ".card+.card{margin-top:16px}.charts .card{margin:0}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));"
    "gap:16px;margin:16px 0}\n"
    "figure{margin:0}figcaption{margin-bottom:8px}figcaption p{margin:0;font-size:.84rem;"
    "color:var(--muted)}\n"
    ".charts figure{display:flex;flex-direction:column;justify-content:space-between}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:4px 20px;margin:0 0 8px;padding:0;list-style:none;"
    "font-size:.84rem}\n"
    ".legend li{display:flex;align-items:center;overflow-wrap:anywhere}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:14px 20px;"
    "margin:12px 0 0}\n"
    ".tiles div{border-left:3px solid var(--line);padding-left:12px}\n"
    ".tiles dt{font-size:.8rem;color:var(--muted)}.tiles dd{margin:0;font-size:1.3rem;"
    "font-weight:600;letter-spacing:-.01em}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}\n"
    "th,td{padding:7px 14px;text-align:right;border-top:1px solid var(--line);font-weight:400;"
    "white-space:nowrap}\n"
    "th:first-child{text-align:left;padding-left:0}td:last-child,th:last-child{padding-right:0}\n"
    "thead th{border-top:0;font-weight:600;white-space:normal;overflow-wrap:anywhere;"
    "vertical-align:bottom}\n"
    "tbody th{color:var(--muted)}.best{font-weight:700}.se{color:var(--muted);font-weight:400}\n"
    "footer{border-top:1px solid var(--line);margin-top:40px;padding-top:18px;padding-bottom:48px}\n";

static const char CHARTS[] =
    ".chart{display:block;width:100%;height:auto;overflow:visible}\n"
    ".chart text{font-size:12px;fill:var(--muted)}.chart .label{font-size:12px}\n"
    ".grid{stroke:var(--grid);stroke-width:1}.axis{stroke:var(--muted);stroke-width:1;opacity:.6}\n"
    ".line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\n"
    ".band{fill:currentColor;opacity:.16}.dot{fill:currentColor}\n"
    ".guide{fill:none;stroke:var(--muted);stroke-width:1;stroke-dasharray:2 4}\n"
    ".dashed{stroke-dasharray:6 4}\n"
    ".s0{color:var(--s0)}.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}.s4{"
    "color:var(--s4)}.s5{color:var(--s5)}\n"
    ".roc .line.s1{stroke-dasharray:8 4}.roc .line.s2{stroke-dasharray:2 4}.roc .line.s3{stroke-dasharray:10 "
    "3 2 3}.roc .line.s4{stroke-dasharray:4 3}.roc .line.s5{stroke-dasharray:14 4}.roc .line.thin{"
    "stroke-dasharray:none}\n"
    ".key{width:28px;height:10px;vertical-align:middle;margin-right:7px;flex:none}\n";

static const char SUSPECTS[] =
    ".probe{display:grid;grid-template-columns:136px 1fr;gap:8px 22px;margin:16px 0}\n"
    ".probe .who{margin-top:8px;font-size:.84rem;color:var(--muted);overflow-wrap:anywhere;"
    "line-height:1.35}\n"
    ".verdict{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 10px;margin:0 0 12px;"
    "max-width:none}\n"
    ".verdict strong{font-size:1.1rem;overflow-wrap:anywhere}\n"
    ".chip{font-size:.78rem;font-weight:600;padding:1px 9px;border-radius:99px;"
    "background:var(--plain-bg)}\n"
    ".chip.good{color:var(--good);background:var(--good-bg)}.chip.bad{color:var(--bad);"
    "background:var(--bad-bg)}\n"
    ".suspects{display:grid;grid-template-columns:repeat(auto-fill,minmax(118px,1fr));gap:16px;"
    "margin:0;padding:0;list-style:none}\n"
    ".name,.file{display:block}.suspects li{font-size:.84rem;line-height:1.35;min-width:0}.suspects "
    ".name{font-weight:600;"
    "margin-top:6px}\n"
    ".name{overflow-wrap:anywhere}.file{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;"
    "color:var(--muted)}\n"
    ".below .name,.below .photo{opacity:.62}.below .name{font-weight:400}\n"
    ".photo{display:flex;width:96px;height:96px;border-radius:8px;background:var(--plain-bg)}\n"
    ".photo.none{align-items:center;justify-content:center;text-align:center;font-size:.72rem;"
    "line-height:1.25;color:var(--muted);background:none;border:1px dashed var(--muted);padding:6px}\n"
    ".bar{display:block;position:relative;height:5px;width:96px;margin:7px 0 5px;border-radius:3px;"
    "background:var(--plain-bg)}\n"
    ".bar i{display:block;height:100%;border-radius:3px;background:var(--accent)}.below .bar i{"
    "background:var(--muted)}\n"
    ".bar b{position:absolute;top:-3px;bottom:-3px;width:2px;margin-left:-1px;background:var(--text)}\n";

static const char RUN[] =
    ".state{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 12px;margin:0}.state strong{"
    "font-size:1.1rem}\n"
    ".done{display:block;height:8px;border-radius:4px;background:var(--plain-bg);margin:12px 0 4px;"
    "overflow:hidden}.done i{display:block;height:100%;background:var(--accent)}\n"
    ".triplets{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:16px;"
    "margin:16px 0;padding:0;list-style:none}.triplets .card{margin:0}\n"
    ".three{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:10px;margin-top:10px}"
    ".three .photo{max-width:100%}\n"
    ".three figcaption{margin:6px 0 0;font-size:.84rem;line-height:1.35}\n"
    ".facts th{text-align:left;vertical-align:top;white-space:normal;width:34%}.facts td{"
    "text-align:left;white-space:normal;overflow-wrap:anywhere}.facts tr:first-child>*{border-top:0}\n"
    ".command{margin:0;font:.84rem/1.5 ui-monospace,monospace;white-space:pre-wrap;"
    "overflow-wrap:anywhere}\n"
    ".half:only-child{max-width:544px}\n"
    "@media (max-width:560px){.half .chart text{font-size:15px}}\n";

/* Pages of likeness eval. */
static const char EVAL[] =
    "nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin:4px 0 0}nav a{color:var(--accent);"
    "text-decoration:none}nav a:hover{text-decoration:underline}\n"
    ".charts.two{grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr))}\n"
    "main>section>.small{margin-top:12px}.charts figure{justify-content:flex-start}.charts figure "
    ".chart{margin-top:auto}\n"
    "h4{font-size:.92rem;margin:18px 0 8px}.card>h4:first-child{margin-top:0}\n"
    ".warning{max-width:none;margin:12px 0;padding:10px 14px;border-radius:8px;color:var(--bad);"
    "background:var(--bad-bg)}\n"
    ".range{display:block;font-size:.78rem;font-weight:400;color:var(--muted)}td .chip{white-space:nowrap}\n"
    "td,tbody th{vertical-align:top}td .key,th .key{margin-bottom:2px}.verdict-cell{font-weight:600}.plain "
    "thead th{overflow-wrap:normal}"
    ".roc .verdict-cell,.roc .plain tbody th{white-space:normal}"
    "table.narrow{width:auto;min-width:min(100%,34em)}td.of,th.of{text-align:left}\n"
    ".area{fill:currentColor;opacity:.22}.line.thin{stroke-width:1.4}.whisker{stroke:currentColor;"
    "stroke-width:1.6;opacity:.75}.grey{color:var(--muted)}.faint{opacity:.38}\n"
    ".mark{stroke:var(--text);stroke-width:1.2;stroke-dasharray:5 3}.chart .mark-label,.chart .row-label{"
    "fill:var(--text)}\n"
    ".chart .line-label{fill:currentColor}.other{fill:var(--muted);opacity:.35}.ring{fill:none;"
    "stroke:currentColor;stroke-width:1.6}\n"
    ".dot-key{width:10px;height:10px}\n"
    ".pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(222px,1fr));gap:18px 20px;margin:0;"
    "padding:0;list-style:none}.pairs li{font-size:.84rem;min-width:0}\n"
    ".pairs.bare{grid-template-columns:repeat(auto-fill,minmax(110px,1fr));gap:4px 20px}\n"
    ".pair{display:grid;grid-template-columns:1fr 1fr;gap:8px;margin-bottom:4px}.pair figure{min-width:0}"
    ".pair .photo{width:100%;height:auto;aspect-ratio:1}.pair figcaption{margin:4px 0 0;font-size:.76rem;"
    "line-height:1.35}\n"
    ".cosine{font-weight:600}\n"
    ".models td,.models th{text-align:left}.models "
    "td{white-space:normal;overflow-wrap:anywhere;min-width:150px}.models code{font-size:.76rem}\n"
    ".card.command{margin-top:16px}\n";

/* Last, to overrule the rest on phones and on paper. */
static const char MEDIA[] =
    "@media (max-width:560px){header,main,footer{padding-left:14px;padding-right:14px}.card{"
    "padding:14px}.probe{grid-template-columns:1fr}.probe .asked{display:flex;gap:14px;"
    "align-items:center}.probe .who{margin:0}.suspects{grid-template-columns:repeat(auto-fill,"
    "minmax(104px,1fr))}th,td{padding:7px 9px}.roc .chart text{font-size:15px}"
    "tbody "
    "th{white-space:normal}.pairs{grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:14px}}\n"
    "@media print{:root{--page:#fff}body{font-size:10.5pt}header{padding-top:0}.card{"
    "border-color:#bbb}.charts,.charts.two{grid-template-columns:1fr 1fr}nav{display:none}"
    ".pairs{grid-template-columns:repeat(4,1fr)}.roc .chart text{font-size:15px}.scroll{overflow:visible}"
    "table{font-size:9pt}th,td{padding:4px 7px}.roc tbody th{white-space:normal}"
    ".pairs li,figure,.probe,tr,.tiles,section>p{break-inside:avoid}"
    "h2,h3,h4{break-after:avoid}"
    "*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}\n";

static void write_date(FILE *out) {
    time_t now = time(NULL);
    struct tm utc;
    char text[32];
    if (gmtime_r(&now, &utc) && strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc) > 0) fputs(text, out);
}

void report_page_begin(FILE *out, const char *title) {
    report_page_begin_again(out, title, 0);
}

void report_page_begin_again(FILE *out, const char *title, int seconds) {
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
          "'unsafe-inline'; "
          "img-src data:\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<meta name=\"robots\" content=\"noindex\">\n",
          out);
    if (seconds > 0) fprintf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n", seconds);
    fputs("<title>", out);
    svg_text_write(out, title);
    fprintf(out, "</title>\n<style>\n%s%s%s%s%s%s%s</style>\n</head>\n<body>\n<header>\n<h1>", COLOURS,
            LAYOUT, CHARTS, SUSPECTS, RUN, EVAL, MEDIA);
    svg_text_write(out, title);
    fputs("</h1>\n<p class=\"muted\">likeness " LK_VERSION ", ", out);
    write_date(out);
    fputs("</p>\n</header>\n<main>\n", out);
}

void report_page_end(FILE *out) {
    report_page_end_with(
        out, "<strong>A suspect is a lead, not an identification.</strong> A cosine says how alike two "
             "photos are to one network. It does not say who someone is: strangers can look alike, photos "
             "can be poor, and a network is worse with people unlike those it was trained on. Have a person "
             "look, and look for other evidence, before anything is done that touches someone.");
}

void report_page_end_with(FILE *out, const char *caution) {
    report_page_finish(out, caution, true);
}

void report_page_finish(FILE *out, const char *caution, bool photos) {
    fprintf(out, "</main>\n<footer>\n<p>%s</p>\n", caution);
    if (photos)
        fputs(
            "<p class=\"muted small\">This page holds photos of people. Keep it and pass it on as you would "
            "the photos themselves.</p>\n",
            out);
    fputs("</footer>\n</body>\n</html>\n", out);
}

/* ---- thumbnails --------------------------------------------------------------------------------- */

const char *report_base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void write_base64(FILE *out, const uint8_t *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t three = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)bytes[i + 2] : 0);
        fputc(digits[three >> 18], out);
        fputc(digits[three >> 12 & 63], out);
        fputc(left > 1 ? digits[three >> 6 & 63] : '=', out);
        fputc(left > 2 ? digits[three & 63] : '=', out);
    }
}

static lk_status load_photo(const char *root, const char *path, lk_image **out) {
    lk_status status = LK_NOT_FOUND;
    if (root && path[0] != '/') {
        char *joined = cli_format("%s/%s", root, path);
        status = lk_image_load(joined, out, NULL);
        free(joined);
    }
    return status == LK_NOT_FOUND ? lk_image_load(path, out, NULL) : status;
}

/* A rectangle made smaller and moved until it lies in the photo: beyond the border there are only streaks. */
static lk_crop inside(lk_crop crop, double width, double height) {
    if (crop.centre > 0) return crop;
    double shrink = fmin(1, fmin(width / crop.width, height / crop.height));
    crop.x += crop.width * (1 - shrink) / 2;
    crop.y += crop.height * (1 - shrink) / 2;
    crop.width *= shrink;
    crop.height *= shrink;
    crop.x = fmin(fmax(crop.x, 0), width - crop.width);
    crop.y = fmin(fmax(crop.y, 0), height - crop.height);
    return crop;
}

static lk_status make_thumbnail(const char *root, const char *path, lk_crop crop, uint8_t **jpeg,
                                size_t *size) {
    lk_image *photo = NULL, *small = NULL;
    lk_status status = load_photo(root, path, &photo);
    if (status == LK_OK) crop = inside(crop, lk_image_width(photo), lk_image_height(photo));
    if (status == LK_OK) status = lk_image_crop(photo, crop, THUMBNAIL, THUMBNAIL, &small, NULL);
    if (status == LK_OK) status = lk_image_encode_jpeg(small, THUMBNAIL_QUALITY, jpeg, size, NULL);
    lk_image_free(photo);
    lk_image_free(small);
    return status;
}

/* The central square: photos of faces have the face there, and squares line up. */
void report_photo_write(FILE *out, report_photos *photos, const char *path) {
    report_crop_write(out, photos, path, (lk_crop){.centre = 1});
}

void report_jpeg_write(FILE *out, const uint8_t *jpeg, size_t size, const char *name) {
    fprintf(out, "<img class=\"photo\" width=\"%d\" height=\"%d\" alt=\"Photo ", THUMBNAIL, THUMBNAIL);
    svg_text_write(out, name);
    fputs("\" src=\"data:image/jpeg;base64,", out);
    write_base64(out, jpeg, size);
    fputs("\">", out);
}

void report_crop_write(FILE *out, report_photos *photos, const char *path, lk_crop crop) {
    uint8_t *jpeg = NULL;
    size_t size = 0;
    photos->shown++;
    lk_status status = make_thumbnail(photos->root, path, crop, &jpeg, &size);
    if (status == LK_OK) {
        report_jpeg_write(out, jpeg, size, report_base_name(path));
    } else {
        photos->unreadable++;
        fputs("<span class=\"photo none\" role=\"img\" aria-label=\"Photo ", out);
        svg_text_write(out, report_base_name(path));
        fprintf(out, " could not be read\">%s</span>",
                status == LK_NOT_FOUND ? "photo not found" : "photo cannot be read");
    }
    free(jpeg);
}

/* ---- JSON --------------------------------------------------------------------------------------- */

double report_number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *report_string(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}
