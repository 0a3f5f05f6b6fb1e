; Inno Setup 6. The setup for Windows: for one user, without an administrator's rights, without a network.
;
;   ISCC /DVersion=0.1.0 /DEdition=cpu /DTree=<the folder apprentice-studio> /DOut=<folder> installer.iss
;
; Silent:      setup.exe /VERYSILENT /SUPPRESSMSGBOXES /NORESTART [/DIR=...] [/TASKS=desktopicon]
; Uninstall:   unins000.exe /VERYSILENT      keeps runs, models, data and chats
;              unins000.exe /VERYSILENT /REMOVEDATA=yes      deletes them, too
;
; Further defines, for trials: AnyArchitecture (also where Windows says it is 32-bit), Fast (hardly compressed), Slice.

#ifndef Version
  #error Say /DVersion=...
#endif
#ifndef Edition
  #define Edition "cpu"
#endif
#ifndef Tree
  #define Tree "..\..\out\packages\" + Edition + "\apprentice-studio"
#endif
#ifndef Out
  #define Out "..\..\out\packages"
#endif
#ifndef Slice
  #define Slice "2100000000"
#endif
#define Name "Apprentice Studio"
#define Program "apprentice-studio.exe"

[Setup]
; Never to be changed: by it a newer version finds the older one and replaces it.
AppId={{6E1B0E1B-5B0C-4C0B-9C3E-2A6B7E1B7A51}
AppName={#Name}
AppVersion={#Version}
AppVerName={#Name} {#Version}
VersionInfoVersion={#Version}
AppPublisher=Apprentice Studio developers
AppComments=Teach a language model with your own examples, on your own computer
; What {userpf} means, written out: wine, where the script is tried, does not know that name.
DefaultDirName={localappdata}\Programs\{#Name}
PrivilegesRequired=lowest
DisableProgramGroupPage=yes
DisableReadyMemo=no
DisableWelcomePage=no
LicenseFile={#Tree}\licences\Apprentice-Studio.txt
OutputDir={#Out}
OutputBaseFilename=apprentice-studio-{#Version}-windows-x86_64-{#Edition}
SetupIconFile={#Tree}\apprentice-studio.ico
UninstallDisplayIcon={app}\{#Program}
UninstallDisplayName={#Name}
ChangesAssociations=yes
CloseApplications=yes
RestartApplications=no
WizardStyle=modern
MinVersion=10.0
#ifndef AnyArchitecture
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
#endif
#ifdef Fast
Compression=zip/1
#else
Compression=lzma2/normal
SolidCompression=yes
#endif
#if Edition == "cuda"
; Several GB: a setup file of Windows ends at 4.2 GB, so it comes as a small .exe with .bin files beside it.
DiskSpanning=yes
DiskSliceSize={#Slice}
#endif

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "de"; MessagesFile: "compiler:Languages\German.isl"

[CustomMessages]
en.DesktopIcon=A link on the desktop
de.DesktopIcon=Eine Verknüpfung auf dem Desktop
en.JobFile=Apprentice Studio job
de.JobFile=Apprentice-Studio-Auftrag
en.UpdateFile=Apprentice Studio update note
de.UpdateFile=Apprentice-Studio-Aktualisierungsnotiz
en.DataFile=Examples, one a line
de.DataFile=Beispiele, eines je Zeile
en.Train=Train in a terminal
de.Train=In einem Terminal trainieren
en.Open=Open Apprentice Studio
de.Open=Apprentice Studio öffnen
en.DeleteData=Also delete your runs, models, imported data and chats?%n%nThey lie in %1. This cannot be undone.
de.DeleteData=Auch Ihre Läufe, Modelle, importierten Daten und Chats löschen?%n%nSie liegen in %1. Das kann nicht zurückgenommen werden.

[Tasks]
Name: "desktopicon"; Description: "{cm:DesktopIcon}"; Flags: unchecked

[InstallDelete]
; What an older version brought and this one does not must not be imported by accident.
Type: filesandordirs; Name: "{app}\_internal"
Type: filesandordirs; Name: "{app}\worker"
Type: filesandordirs; Name: "{app}\resources"
Type: filesandordirs; Name: "{app}\licences"

[Files]
Source: "{#Tree}\*"; DestDir: "{app}"; Flags: recursesubdirs createallsubdirs ignoreversion

[Icons]
Name: "{autoprograms}\{#Name}"; Filename: "{app}\{#Program}"; Comment: "Teach a language model with your own examples"
Name: "{autodesktop}\{#Name}"; Filename: "{app}\{#Program}"; Tasks: desktopicon

[Registry]
; Only beneath the user's own classes (HKA without an administrator). Datasets keep the program they have: ours is offered.
Root: HKA; Subkey: "Software\Classes\.apprentice-job"; ValueType: string; ValueData: "ApprenticeStudio.Job"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\ApprenticeStudio.Job"; ValueType: string; ValueData: "{cm:JobFile}"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\ApprenticeStudio.Job\DefaultIcon"; ValueType: string; ValueData: "{app}\{#Program},0"
Root: HKA; Subkey: "Software\Classes\ApprenticeStudio.Job\shell\open"; ValueType: string; ValueData: "{cm:Train}"
Root: HKA; Subkey: "Software\Classes\ApprenticeStudio.Job\shell\open\command"; ValueType: string; ValueData: """{cmd}"" /k """"{app}\apprentice.cmd"" train ""%1"""""
Root: HKA; Subkey: "Software\Classes\.apprentice-update"; ValueType: string; ValueData: "ApprenticeStudio.Update"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\ApprenticeStudio.Update"; ValueType: string; ValueData: "{cm:UpdateFile}"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\ApprenticeStudio.Update\shell\open\command"; ValueType: string; ValueData: """{app}\{#Program}"" ""%1"""
Root: HKA; Subkey: "Software\Classes\ApprenticeStudio.Dataset"; ValueType: string; ValueData: "{cm:DataFile}"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\ApprenticeStudio.Dataset\shell\open\command"; ValueType: string; ValueData: """{app}\{#Program}"" ""%1"""
Root: HKA; Subkey: "Software\Classes\.jsonl\OpenWithProgids"; ValueType: string; ValueName: "ApprenticeStudio.Dataset"; Flags: uninsdeletevalue
Root: HKA; Subkey: "Software\Classes\.parquet\OpenWithProgids"; ValueType: string; ValueName: "ApprenticeStudio.Dataset"; Flags: uninsdeletevalue
Root: HKA; Subkey: "Software\Classes\.arrow\OpenWithProgids"; ValueType: string; ValueName: "ApprenticeStudio.Dataset"; Flags: uninsdeletevalue

[Run]
Filename: "{app}\{#Program}"; Description: "{cm:Open}"; Flags: nowait postinstall skipifsilent

[UninstallDelete]
Type: filesandordirs; Name: "{app}\_internal"
Type: filesandordirs; Name: "{app}\worker"

[Code]
function DataFolder(): String;
begin
  Result := ExpandConstant('{localappdata}\apprentice-studio');
end;

function HoldsOurData(Folder: String): Boolean;
var
  Names: TArrayOfString;
  I: Integer;
begin
  { Only a folder in which the program itself made its own folders, each with its mark, is ever deleted. }
  Names := ['runs', 'datasets', 'jobs', 'chats', 'models'];
  Result := False;
  for I := 0 to GetArrayLength(Names) - 1 do
    if FileExists(Folder + '\' + Names[I] + '\.apprentice-studio') then
      Result := True;
end;

function WasGiven(Word: String): Boolean;
var
  I: Integer;
begin
  Result := False;
  for I := 1 to ParamCount() do
    if CompareText(ParamStr(I), Word) = 0 then
      Result := True;
end;

procedure CurUninstallStepChanged(Step: TUninstallStep);
var
  Wanted: Boolean;
begin
  if (Step <> usPostUninstall) or not HoldsOurData(DataFolder()) then
    Exit;
  if UninstallSilent() then
    Wanted := WasGiven('/REMOVEDATA=yes')
  else
    Wanted := SuppressibleMsgBox(FmtMessage(CustomMessage('DeleteData'), [DataFolder()]), mbConfirmation,
      MB_YESNO or MB_DEFBUTTON2, IDNO) = IDYES;
  if Wanted then
  begin
    Log('Deleting ' + DataFolder());
    DelTree(DataFolder(), True, True, True);
  end;
end;
