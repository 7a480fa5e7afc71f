/* gallery_groups.c: what likeness gallery cluster writes of its groups: folders, a page, lines. */
#include "gallery.h"
#include "report.h"
#include "svg.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_GROUPS = 1000 };

/* free() */
static char *group_name(const gallery_groups *g, size_t group) {
    return group < g->people ? cli_format("person_%04zu", group + 1) : cli_format("others");
}

/* ---- folders -------------------------------------------------------------------------------------- */

static bool is_empty(const char *folder) {
    DIR *dir = opendir(folder);
    bool empty = true;
    for (struct dirent *entry; dir && empty && (entry = readdir(dir));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (dir) closedir(dir);
    return empty;
}

static int copy_bytes(const char *from, const char *to) {
    FILE *in = fopen(from, "rb");
    cli_output out;
    char buffer[1 << 14];
    size_t got;
    if (!in) {
        cli_say("%s: cannot read: %s", from, strerror(errno));
        return CLI_SYSTEM;
    }
    int code = cli_output_open(&out, to);
    while (code == CLI_OK && (got = fread(buffer, 1, sizeof buffer, in)) > 0)
        fwrite(buffer, 1, got, out.file);
    bool good = !ferror(in);
    fclose(in);
    if (code == CLI_OK) code = cli_output_close(&out, good);
    if (code == CLI_OK && !good) {
        cli_say("%s: cannot read it to its end", from);
        code = CLI_SYSTEM;
    }
    return code;
}

/* A hard link takes no room, and stays when the photo is moved; on another disk there is none. */
static int place(const char *photo, const char *to) {
    char *real = realpath(photo, NULL);
    int code = CLI_OK;
    if (link(real ? real : photo, to) != 0) code = errno == EEXIST ? CLI_OK : copy_bytes(photo, to);
    free(real);
    return code;
}

/* The name under the folder that was given, in one piece: "holiday/1.jpg" is "holiday_1.jpg". */
static char *flat_name(const cli_file *file, size_t photo, bool same_twice) {
    char *name = same_twice ? cli_format("%zu_%s", photo + 1, file->path + file->name_at)
                            : cli_format("%s", file->path + file->name_at);
    for (char *c = name; *c; c++)
        if (*c == '/') *c = '_';
    return name;
}

typedef struct entry {
    char *name;
    size_t photo;
} entry;

static int by_entry(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->photo > y->photo) - (x->photo < y->photo);
}

/* Of each photo the name it gets; two photos that would get the same are told apart by their number. */
static char **flat_names(const cli_files *files) {
    entry *entries = cli_alloc(files->count, sizeof *entries);
    char **names = cli_alloc(files->count, sizeof *names);
    for (size_t i = 0; i < files->count; i++) entries[i] = (entry){flat_name(&files->items[i], i, false), i};
    if (files->count) qsort(entries, files->count, sizeof *entries, by_entry);
    for (size_t i = 0; i < files->count; i++) {
        bool twice = (i > 0 && strcmp(entries[i].name, entries[i - 1].name) == 0) ||
                     (i + 1 < files->count && strcmp(entries[i].name, entries[i + 1].name) == 0);
        size_t photo = entries[i].photo;
        names[photo] =
            twice ? flat_name(&files->items[photo], photo, true) : cli_format("%s", entries[i].name);
    }
    for (size_t i = 0; i < files->count; i++) free(entries[i].name);
    free(entries);
    return names;
}

static int write_group(const gallery_groups *g, size_t group, const char *out, char *const *names) {
    char *name = group_name(g, group), *folder = cli_format("%s/%s", out, name);
    int code = cli_folder_make(folder);
    for (size_t i = g->first[group]; i < g->first[group + 1] && code == CLI_OK; i++) {
        size_t photo = g->faces[i].photo;
        char *to = cli_format("%s/%s", folder, names[photo]);
        code = place(g->files->items[photo].path, to);
        free(to);
    }
    free(folder);
    free(name);
    return code;
}

int gallery_groups_write(const gallery_groups *g, const char *out) {
    int code = cli_folder_make(out);
    if (code == CLI_OK && !is_empty(out)) {
        cli_say("%s: the folder is not empty; give a new one", out);
        code = CLI_INPUT;
    }
    if (code != CLI_OK) return code;
    char **names = flat_names(g->files);
    for (size_t i = 0; i < g->groups && code == CLI_OK; i++) code = write_group(g, i, out, names);
    for (size_t i = 0; i < g->files->count; i++) free(names[i]);
    free(names);
    return code;
}

/* ---- a page --------------------------------------------------------------------------------------- */

/* The face with some hair and chin around it; a photo that was taken whole is shown so. */
static lk_crop picture_of(const gallery_face *f) {
    if (!f->number) return (lk_crop){.centre = 1};
    double side = 1.5 * fmax((double)f->face.width, (double)f->face.height);
    return (lk_crop){.x = (double)f->face.x + ((double)f->face.width - side) / 2,
                     .y = (double)f->face.y + ((double)f->face.height - side) / 2,
                     .width = side,
                     .height = side};
}

static void write_faces(FILE *out, const gallery_groups *g, size_t first, size_t last, size_t pictures,
                        report_photos *photos) {
    size_t shown = last - first < pictures ? last - first : pictures;
    fputs("<div style=\"display:flex;gap:6px;flex-wrap:wrap;font-size:.84rem\">\n", out);
    for (size_t i = first; i < first + shown; i++) {
        const gallery_face *f = &g->faces[i];
        const char *path = g->files->items[f->photo].path;
        fputs("<span style=\"width:96px\" title=\"", out);
        svg_text_write(out, path);
        fputs("\">", out);
        report_crop_write(out, photos, path, picture_of(f));
        fputs("<span class=\"file\">", out);
        svg_text_write(out, report_base_name(path));
        fputs("</span></span>\n", out);
    }
    fputs("</div>\n", out);
}

int gallery_groups_page(const gallery_groups *g, const char *page, size_t pictures) {
    cli_output output;
    report_photos photos = {.root = NULL};
    int code = cli_output_open(&output, page);
    if (code != CLI_OK) return code;
    FILE *out = output.file;
    size_t shown = g->people < PAGE_GROUPS ? g->people : PAGE_GROUPS, others = g->count - g->first[g->people];
    report_page_begin(out, "Faces, grouped");
    fprintf(out,
            "<p>%zu faces of %zu photos: %zu people of %zu faces or more, %zu faces in smaller groups. "
            "Groups are "
            "one person from an average cosine of %.3f on; the most typical faces come first.</p>\n",
            g->count, g->photos, g->people, g->least, others, g->threshold);
    if (shown < g->people) fprintf(out, "<p class=\"muted\">The %zu largest are shown.</p>\n", shown);
    for (size_t i = 0; i < shown; i++) {
        size_t size = g->first[i + 1] - g->first[i];
        fprintf(out, "<section class=\"card\">\n<h3>person_%04zu <span class=\"muted\">%zu %s</span></h3>\n",
                i + 1, size, size == 1 ? "face" : "faces");
        write_faces(out, g, g->first[i], g->first[i + 1], pictures, &photos);
        fputs("</section>\n", out);
    }
    if (others) {
        fprintf(out, "<section class=\"card\">\n<h3>others <span class=\"muted\">%zu %s</span></h3>\n",
                others, others == 1 ? "face" : "faces");
        write_faces(out, g, g->first[g->people], g->count, 5 * pictures, &photos);
        fputs("</section>\n", out);
    }
    report_page_end_with(
        out, "<strong>A group is a suggestion.</strong> A network puts together strangers who look alike "
             "to it, and parts one person. Have a look before it gets a name.");
    return cli_output_close(&output, true);
}

/* ---- lines ---------------------------------------------------------------------------------------- */

static void print_json(const gallery_groups *g, size_t group) {
    char *name = group_name(g, group);
    json_t *row = json_object(), *faces = json_array();
    for (size_t i = g->first[group]; i < g->first[group + 1]; i++) {
        const gallery_face *f = &g->faces[i];
        json_t *face = json_object();
        json_object_set_new(face, "photo", cli_json_text(g->files->items[f->photo].path));
        cli_face_json(face, f->number ? &f->face : NULL);
        json_object_set_new(face, "cosine", cli_json_real((double)f->cosine));
        json_array_append_new(faces, face);
    }
    json_object_set_new(row, "group", cli_json_text(name));
    json_object_set_new(row, "faces", faces);
    cli_json_print(stdout, row);
    free(name);
}

/* A line a face. */
static void print_faces(const gallery_groups *g) {
    static const char *const titles[] = {"group", "photo", "face", "cosine"};
    cli_table *table = cli_table_new("llrr", titles);
    for (size_t group = 0; group < g->groups; group++) {
        char *name = group_name(g, group);
        for (size_t i = g->first[group]; i < g->first[group + 1]; i++) {
            cli_table_cell(table, "%s", name);
            cli_table_cell(table, "%s", g->files->items[g->faces[i].photo].path);
            cli_table_cell(table, "%zu", g->faces[i].number);
            cli_table_cell(table, "%.4f", (double)g->faces[i].cosine);
        }
        free(name);
    }
    cli_table_print(table, CLI_TSV);
}

/* A line a person. */
static void print_people(const gallery_groups *g) {
    static const char *const titles[] = {"group", "faces", "typical"};
    cli_table *table = cli_table_new("lrl", titles);
    for (size_t group = 0; group < g->people; group++) {
        char *name = group_name(g, group);
        cli_table_cell(table, "%s", name);
        cli_table_cell(table, "%zu", g->first[group + 1] - g->first[group]);
        cli_table_cell(table, "%s", g->files->items[g->faces[g->first[group]].photo].path);
        free(name);
    }
    cli_table_print(table, CLI_TEXT);
}

void gallery_groups_print(const gallery_groups *g, cli_style style) {
    if (style == CLI_TSV)
        print_faces(g);
    else if (style == CLI_TEXT)
        print_people(g);
    else
        for (size_t group = 0; group < g->groups; group++) print_json(g, group);
}
