"""Names in files and folders as people have them."""

import os

import pytest

from epropnp_det.inputs import (
    closest_match,
    find_images,
    join_path,
    printable,
    read_lines,
    read_text,
)


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('camA/0.jpg', 1),
        ('/data/set/camB/0.jpg', 2),
        ('C:\\data\\camB\\0.jpg', 2),
        ('1.jpg', 3),
        ('elsewhere/1.jpg', 3),
        ('./camA//0.jpg', 1),
        ('caf\u00e9/2.jpg', 4),
    ],
)
def test_longest_common_end_wins(name, expected):
    table = {'camA/0.jpg': 1, 'set\\camB\\0.jpg': 2, 'camC/1.jpg': 3, 'cafe\u0301/2.jpg': 4}
    assert closest_match(name, table) == expected


@pytest.mark.parametrize(
    ('name', 'table', 'message'),
    [
        ('0.jpg', {'a/0.jpg': 1, 'b/0.jpg': 2}, 'may be any of a/0.jpg, b/0.jpg'),
        ('x/0.jpg', {'a/0.jpg': 1, 'b/0.jpg': 2}, 'pass it with the folders'),
        ('a/0.jpg', {'a/1.jpg': 1, 'b/0.jpg': 2}, 'nothing for a/0.jpg'),
        ('2.jpg', {f'{i}.png': i for i in range(9)}, 'and 6 more'),
        ('0.jpg', {}, 'nothing for'),
    ],
)
def test_ambiguous_and_unknown_names_are_refused(name, table, message):
    with pytest.raises(KeyError, match=message):
        closest_match(name, table)


def test_equal_values_are_not_ambiguous():
    assert closest_match('0.jpg', {'a/0.jpg': 1, 'b/0.jpg': 1}) == 1


def test_backslashes_join():
    assert join_path('root', 'samples\\CAM\\a.jpg') == os.path.join('root', 'samples/CAM/a.jpg')
    assert join_path(None, 'a\\b') == 'a/b'
    assert printable(os.fsdecode(b'caf\xe9')) == 'caf\\udce9'


@pytest.fixture
def folder(tmp_path):
    names = ['a.JPG', 'b/c.png', 'b/d/e.webp', '._a.JPG', '.hidden/f.jpg', '__MACOSX/a.JPG']
    names += ['Thumbs.db', '.DS_Store', 'desktop.ini', 'notes.txt', 'out/g.png']
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'x')
    (tmp_path / 'empty.jpg').write_bytes(b'')
    (tmp_path / 'folder.jpg').mkdir()
    (tmp_path / 'gone.jpg').symlink_to(tmp_path / 'nowhere')
    (tmp_path / 'loop').symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / 'linked.png').symlink_to(tmp_path / 'b' / 'c.png')
    return tmp_path


def test_folders_as_people_have_them(folder):
    found = find_images([folder], exclude=folder / 'out')
    names = [str(path.relative_to(folder)) for path in found.paths]
    assert names == ['a.JPG', 'b/c.png', 'b/d/e.webp', 'linked.png']
    reasons = {str(path.relative_to(folder)): reason for path, reason in found.skipped}
    assert reasons == {
        '._a.JPG': 'hidden file',
        '.hidden': 'hidden folder',
        '__MACOSX': 'hidden folder',
        'empty.jpg': 'empty file',
        'gone.jpg': 'link to nothing',
    }


def test_named_files_and_linked_folders_count(folder, tmp_path_factory):
    assert find_images([folder / '._a.JPG', folder / '._a.JPG']).paths == [folder / '._a.JPG']
    other = tmp_path_factory.mktemp('other')
    (other / 'b').symlink_to(folder / 'b', target_is_directory=True)
    assert [path.name for path in find_images([other]).paths] == ['c.png', 'e.webp']


def test_nothing_found_is_named(folder):
    with pytest.raises(FileNotFoundError, match='no file or folder'):
        find_images([folder / 'none'])
    with pytest.raises(FileNotFoundError, match=r'no image in .*\.jpg'):
        find_images([folder / 'folder.jpg'])


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-be', 'utf-32'])
def test_lines(encoding, tmp_path):
    (tmp_path / 'a.txt').write_bytes(
        '\r\n car \r\n# none\r\n\u00a0pedestrian\t\r\n\r\n'.encode(encoding)
    )
    assert read_lines(tmp_path / 'a.txt') == ['car', 'pedestrian']


def test_other_encodings_still_name_their_files(tmp_path):
    (tmp_path / 'a.txt').write_bytes(b'caf\xe9.jpg\n')
    assert os.fsencode(read_text(tmp_path / 'a.txt').strip()) == b'caf\xe9.jpg'
