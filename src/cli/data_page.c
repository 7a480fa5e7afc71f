/* data_page.c: what was found as a page to look at: by kind, the worst first, each photo beside what it is
 * compared with. Whether a label is wrong, somebody must see. */
#include "data.h"
#include "report.h"
#include "svg.h"

#include <math.h>

typedef struct page {
    FILE *out;
    const data_options *o;
    const data_set *set;
    const data_findings *f;
    report_photos photos;
} page;

/* A photo with its name under it; the whole path is in its title. */
static void write_photo(page *p, size_t photo) {
    const data_photo *of = &p->set->photos[photo];
    fputs("<span style=\"width:96px\" title=\"", p->out);
    svg_text_write(p->out, of->path);
    fputs("\">", p->out);
    report_photo_write(p->out, &p->photos, of->path);
    fputs("<span class=\"file\">", p->out);
    svg_text_write(p->out, report_base_name(of->path));
    fputs("</span></span>\n", p->out);
}

static void write_person(page *p, size_t person) {
    if (person == DATA_NONE) return;
    fputs("<span class=\"name\">", p->out);
    svg_text_write(p->out, p->set->people[person].name);
    if (p->set->people[person].against) fputs(" <span class=\"chip\">second folder</span>", p->out);
    fputs("</span>", p->out);
}

/* One or two photos of a person, and `more` spread over the folder, to compare with. */
static void write_group(page *p, size_t person, size_t photo, size_t second, size_t more) {
    fputs("<div>", p->out);
    write_person(p, person);
    fputs("<div style=\"display:flex;gap:6px;flex-wrap:wrap;margin-top:4px\">\n", p->out);
    if (photo != DATA_NONE) write_photo(p, photo);
    if (second != DATA_NONE) write_photo(p, second);
    const data_person *who = person == DATA_NONE ? NULL : &p->set->people[person];
    for (size_t i = 0, shown = 0; who && i < who->count && shown < more; i++) {
        size_t at = who->first + (i * (1 + who->count / (more + 1))) % who->count;
        if (at == photo || p->set->photos[at].status != LK_OK || p->set->photos[at].copy) continue;
        write_photo(p, at);
        shown++;
    }
    fputs("</div></div>\n", p->out);
}

/* How many more photos of each side help to judge. */
static size_t more_of(data_kind kind, bool other) {
    switch (kind) {
    case DATA_WRONG_LABEL:
    case DATA_OUTLIER: return other ? 1 : 2;
    case DATA_DUPLICATE_ACROSS:
    case DATA_NEAR_DUPLICATE_ACROSS: return 1;
    case DATA_SAME_PERSON:
    case DATA_LEAK_PERSON:
    case DATA_LEAK_NAME: return 2;
    default: return 0;
    }
}

static void write_finding(page *p, const data_finding *item) {
    fputs("<article class=\"card\">\n<div style=\"display:flex;gap:8px "
          "20px;flex-wrap:wrap;font-size:.84rem\">\n",
          p->out);
    if (item->path) {
        fputs("<span class=\"name\">", p->out);
        svg_text_write(p->out, item->path);
        fputs("</span>\n", p->out);
    } else {
        bool one = item->other_person == DATA_NONE || item->other_person == item->person;
        write_group(p, item->person, item->photo, one ? item->other_photo : DATA_NONE,
                    more_of(item->kind, false));
        if (!one) write_group(p, item->other_person, item->other_photo, DATA_NONE, more_of(item->kind, true));
    }
    fputs("</div>\n<p class=\"muted small\" style=\"margin:6px 0 0;max-width:none;overflow-wrap:anywhere\">",
          p->out);
    svg_text_write(p->out, item->reason);
    fputs("</p>\n</article>\n", p->out);
}

static void write_kind(page *p, data_kind kind) {
    size_t count = p->f->kind_count[kind], shown = count < p->o->pictures ? count : p->o->pictures;
    if (!count) return;
    fprintf(p->out, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n<p class=\"muted\">%s",
            data_kind_name(kind), data_kind_name(kind), data_kind_title(kind), data_kind_meaning(kind));
    if (shown < count)
        fprintf(p->out, " The worst %zu of %zu are shown.</p>\n", shown, count);
    else
        fprintf(p->out, " %zu.</p>\n", count);
    fputs("<div "
          "style=\"display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(min(100%,250px),1fr))"
          "\">\n",
          p->out);
    for (size_t i = 0; i < shown; i++) write_finding(p, &p->f->items[p->f->kind_first[kind] + i]);
    fputs("</div>\n</section>\n", p->out);
}

static void write_summary(page *p) {
    const data_set *set = p->set;
    fprintf(p->out, "<p>%zu photos of %zu people in", set->own_count, set->own_people);
    for (size_t i = 0; i < p->o->places.count; i++) {
        fputs(i ? ", " : " ", p->out);
        svg_text_write(p->out, p->o->places.items[i].path);
    }
    if (set->against)
        fprintf(p->out, "; against %zu photos of %zu people", set->count - set->own_count,
                set->people_count - set->own_people);
    fputs(".</p>\n<dl class=\"tiles card\">\n", p->out);
    for (int k = 0; k < DATA_KIND_COUNT; k++)
        if (p->f->kind_count[k])
            fprintf(p->out,
                    "<div><dt><a style=\"color:inherit\" href=\"#%s\">%s</a></dt><dd>%zu</dd></div>\n",
                    data_kind_name((data_kind)k), data_kind_title((data_kind)k), p->f->kind_count[k]);
    if (!p->f->count) fputs("<div><dt>Found</dt><dd>nothing</dd></div>\n", p->out);
    fputs("</dl>\n", p->out);
    const char *notes[2] = {p->f->people_note, p->f->left_out};
    for (int i = 0; i < 2; i++) {
        if (!notes[i]) continue;
        fputs("<p class=\"muted small\">", p->out);
        svg_text_write(p->out, notes[i]);
        fputs("</p>\n", p->out);
    }
}

/* Not report_page_end, which speaks of suspects. */
static void write_end(FILE *out) {
    fputs(
        "</main>\n<footer>\n<p><strong>A finding is a hint, not a verdict.</strong> Look before photos are "
        "moved "
        "for what a network says of them: it errs more with poor photos, and with people unlike those it was "
        "trained on.</p>\n<p class=\"muted small\">This page holds photos of people. Keep it and pass it on "
        "as you "
        "would the photos themselves.</p>\n</footer>\n</body>\n</html>\n",
        out);
}

int data_page_write(const data_options *o, const data_set *set, const data_findings *f) {
    cli_output output;
    int code = cli_output_open(&output, o->page);
    if (code != CLI_OK) return code;
    page p = {.out = output.file, .o = o, .set = set, .f = f};
    report_page_begin(output.file, "Data check");
    write_summary(&p);
    for (int k = 0; k < DATA_KIND_COUNT; k++) write_kind(&p, (data_kind)k);
    write_end(output.file);
    return cli_output_close(&output, true);
}
